// What every part of the page uses: elements, numbers in words, the tip, redrawing when the width changes.
'use strict';

const data = JSON.parse(document.getElementById('data').textContent);

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  // Text becomes text nodes, never markup.
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined) node.append(child);
  return node;
}

const el = (name, attributes, ...children) => build(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) =>
    build(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);

/// Significant digits, without exponents and with thin spaces between thousands.
function digits(value, most) {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const places = Math.max(0, most - 1 - Math.floor(Math.log10(Math.abs(value))));
  const [whole, rest] = Math.abs(value).toFixed(Math.min(places, 12)).split('.');
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, '\u2009') : whole;
  return (value < 0 ? '−' : '') + grouped + (rest ? '.' + rest : '');
}

const count = (value) => digits(value, 15).replace(/\.0*$/, '');
const plural = (value, one, many) => `${count(value)} ${value === 1 ? one : many || one + 's'}`;

function duration(seconds) {
  if (!(seconds > 0)) return '–';
  for (const [unit, size] of [['s', 1], ['ms', 1e-3], ['µs', 1e-6]]) {
    if (seconds >= size) return `${digits(seconds / size, 4)}\u00a0${unit}`;
  }
  return `${digits(seconds * 1e9, 4)}\u00a0ns`;
}

/// Of a tick: `0.5×`, `20×`.
const plainTimes = (ratio) => `${Number(ratio.toPrecision(4))}×`;
const nanoseconds = (seconds) => digits(seconds * 1e9, 3);
const times = (ratio) => (ratio > 0 ? `${digits(ratio, ratio < 10 ? 3 : 2)}×` : '–');
const percent = (part, most = 2) => `${digits(part * 100, most)}\u00a0%`;

function bytes(value) {
  if (value < 1024) return `${count(value)}\u00a0B`;
  if (value < 1048576) return `${digits(value / 1024, 4).replace(/\.0+$/, '')}\u00a0KiB`;
  return `${digits(value / 1048576, 4).replace(/\.0+$/, '')}\u00a0MiB`;
}

function date(seconds) {
  const when = new Date(seconds * 1000);
  if (!(seconds > 0) || Number.isNaN(when.getTime())) return 'unknown';
  return `${when.toISOString().slice(0, 16).replace('T', ' ')}\u00a0UTC`;
}

/// What a table says of a word; of one that it does not hold, the word.
const said = (table, word) => (Object.hasOwn(table, word) ? table[word] : word);

/// A number in [0, 1) that depends on the index alone: dots of equal value stand apart, and stand there every time.
const scatter = (index) => (index * 0.6180339887498949) % 1;

function quantile(sorted, part) {
  const place = (sorted.length - 1) * part;
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}

/// Round values that divide a logarithmic range; at least two of them.
function logTicks(low, high) {
  if (!(low > 0 && high > low && high < Infinity)) return [];
  const decades = Math.log10(high / low);
  const steps = decades > 2 ? [1] : decades > 1 ? [1, 2, 5] : decades > 0.5 ? [1, 1.5, 2, 3, 5, 7]
      : [1, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)); ++power) {
    for (const step of steps) {
      const tick = Number((step * 10 ** power).toPrecision(4));
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick);
    }
  }
  return ticks.length >= 2 ? ticks : [low, high];
}

/// The same for a linear range.
function ticks(low, high, most) {
  if (!(high > low && high - low < Infinity)) return [];
  const rough = (high - low) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const out = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) out.push(i * step);
  return out;
}

const tip = document.getElementById('tip');

function showTip(event, lines) {
  tip.replaceChildren(...lines.map((line) => el('div', {}, line)));
  tip.hidden = false;
  const room = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, window.innerWidth - room.width - 8);
  const top = event.clientY + 18 + room.height > window.innerHeight ? event.clientY - room.height - 12 : event.clientY + 18;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, top)}px`;
}

function hideTip() {
  tip.hidden = true;
}

/// Draws into a box whenever its width changes, so that letters keep their size. In the next frame: a drawing that
/// changed sizes while they are being observed would be an error.
const redrawn = new ResizeObserver((changes) => requestAnimationFrame(() => {
  for (const change of changes) draw(change.target);
}));

function draw(box) {
  const width = Math.floor(box.clientWidth);
  if (width === 0 || width === box.drawnWidth) return;
  box.drawnWidth = width;
  box.replaceChildren(box.drawInto(width));
}

function drawing(attributes, drawInto) {
  const box = el('div', attributes);
  box.drawInto = drawInto;
  redrawn.observe(box);
  return box;
}

/// Once the boxes are in the document.
function drawAll(within) {
  for (const box of within.querySelectorAll('.plot')) draw(box);
}

/// A name that may break behind its underscores.
const breakable = (name) => name.split(/(?<=_)/).flatMap((part) => [part, el('wbr')]);

/// Marks that differ in shape as well as in colour.
function mark(kind, x, y, size) {
  if (kind === 'winner') {
    return svg('path', {class: 'mark winner', d: `M${x} ${y - size}L${x + size} ${y}L${x} ${y + size}L${x - size} ${y}Z`});
  }
  return svg('circle', {class: `mark ${kind}`, cx: x, cy: y, r: size * 0.85});
}

/// The same mark beside words.
const sign = (kind) => svg('svg', {class: 'sign', viewBox: '0 0 14 14', 'aria-hidden': 'true'}, mark(kind, 7, 7, 5));
