// The final: samples of those who were in it, and how sure their ratio to the default is.
'use strict';

function sampleRange(finalists) {
  let low = Infinity;
  let high = -Infinity;
  for (const finalist of finalists) {
    for (const sample of finalist.samples.filter((one) => one > 0)) {
      low = Math.min(low, sample);
      high = Math.max(high, sample);
    }
    if (finalist.seconds > 0) {
      low = Math.min(low, finalist.seconds);
      high = Math.max(high, finalist.seconds);
    }
  }
  const margin = (high - low) * 0.04 || high * 0.05;
  return [low - margin, high + margin];
}

function axisParts(width, height, low, high, words, room) {
  if (!(high > low)) return {x: () => 0, parts: []};
  const x = (value) => room + ((value - low) / (high - low)) * (width - 2 * room);
  const parts = ticks(low, high, Math.max(3, Math.floor(width / 90))).flatMap((tick) => [
    svg('line', {class: 'grid', x1: x(tick), x2: x(tick), y1: 2, y2: height - 18}),
    svg('text', {class: 'tick', x: x(tick), y: height - 4, 'text-anchor': 'middle'}, words(tick)),
  ]);
  return {x, parts};
}

/// One unit for a whole axis.
function unitOf(high) {
  return [['s', 1], ['ms', 1e-3], ['µs', 1e-6], ['ns', 1e-9]].find(([, size]) => high >= size) || ['ns', 1e-9];
}

/// Said instead of what lies off the axis.
function beyond(value, range, width, middle) {
  if (value <= range[1] && value >= range[0]) return null;
  if (!(value > 0)) return svg('text', {class: 'tick', x: 8, y: middle + 4}, 'not recorded');
  const right = value > range[1];
  return svg('text', {class: 'tick', x: right ? width - 8 : 8, y: middle + 4, 'text-anchor': right ? 'end' : 'start'}, right ? 'off the axis →' : '← off the axis');
}

function samplesPlot(model, finalist, range, width) {
  const height = 74;
  const middle = 28;
  const [unit, size] = unitOf(range[1]);
  const {x, parts} = axisParts(width, height, range[0], range[1], (tick) => `${Number((tick / size).toPrecision(6))} ${unit}`, 30);
  const outside = beyond(finalist.seconds, range, width, middle);
  if (outside) return svg('svg', {width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true'}, parts, outside);
  const sorted = finalist.samples.filter((one) => one > 0).sort((a, b) => a - b);
  if (sorted.length > 1) {
    const [low, first, median, third, high] = [0.05, 0.25, 0.5, 0.75, 0.95].map((part) => quantile(sorted, part));
    parts.push(svg('line', {class: 'whisker', x1: x(low), x2: x(high), y1: middle, y2: middle}));
    parts.push(svg('rect', {class: 'box', x: x(first), y: middle - 15, width: Math.max(1, x(third) - x(first)), height: 30}));
    parts.push(svg('path', {class: 'dots samples', d: sorted.map((sample, i) =>
      `M${x(sample).toFixed(1)} ${(middle + (scatter(i) - 0.5) * 26).toFixed(1)}h0`).join('')}));
    parts.push(svg('line', {class: 'median', x1: x(median), x2: x(median), y1: middle - 19, y2: middle + 19}));
  } else if (finalist.seconds > 0) {
    parts.push(mark(model.kind(finalist.config), x(sorted.length ? sorted[0] : finalist.seconds), middle, 6));
  }
  return svg('svg', {width, height, viewBox: `0 0 ${width} ${height}`, role: 'img',
                     'aria-label': `${plural(finalist.samples.length, 'sample')}, median ${duration(finalist.seconds)}, spread ${percent(finalist.spread)}`}, parts);
}

/// With the default among them, the band of noise around it is shown as well.
function intervalRange(model, finalists) {
  let [low, high] = finalists.includes(model.usual) ? [0.98, 1.02] : [Infinity, -Infinity];
  for (const finalist of finalists) {
    for (const ratio of [finalist.low, finalist.ratio, finalist.high]) {
      if (!(ratio > 0)) continue;
      low = Math.min(low, ratio);
      high = Math.max(high, ratio);
    }
  }
  const margin = (high - low) * 0.06 || high * 0.02;
  return [low - margin, high + margin];
}

function intervalPlot(model, finalist, range, width) {
  const height = 74;
  const middle = 28;
  const {x, parts} = axisParts(width, height, range[0], range[1], plainTimes, 24);
  const outside = beyond(finalist.ratio, range, width, middle);
  if (range[1] > 1) {
    const from = Math.max(0, x(0.98));
    parts.unshift(svg('rect', {class: 'noise', x: from, width: Math.min(width, x(1.02)) - from, y: 2, height: height - 20}));
    parts.push(svg('line', {class: 'grid one', x1: x(1), x2: x(1), y1: 2, y2: height - 18}));
  }
  if (outside) return svg('svg', {width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true'}, parts, outside);
  if (finalist.high > finalist.low) {
    parts.push(svg('path', {class: 'interval', d: `M${x(finalist.low)} ${middle - 12}v24M${x(finalist.high)} ${middle - 12}v24M${x(finalist.low)} ${middle}H${x(finalist.high)}`}));
  }
  parts.push(mark(model.kind(finalist.config), x(finalist.ratio), middle, 5));
  return svg('svg', {width, height, viewBox: `0 0 ${width} ${height}`, role: 'img',
                     'aria-label': `ratio ${digits(finalist.ratio, 4)}, 95 % interval ${digits(finalist.low, 4)} to ${digits(finalist.high, 4)}`}, parts);
}

function finalistRow(model, finalist, place, samples, intervals) {
  const kind = model.kind(finalist.config);
  const what = kind === 'usual' ? 'the default' : shortText(finalist.config, model.usualValues);
  const {resources} = finalist;
  return el('li', {class: 'finalist'},
    el('div', {class: 'who'}, el('p', {class: 'config', title: fullText(finalist.config)}, sign(kind), ` ${place + 1}. `, el('b', {}, what)),
       el('p', {}, `${duration(finalist.seconds)} ± ${percent(finalist.spread)} · ${times(finalist.ratio)}`,
          finalist.high > finalist.low ? ` (${digits(finalist.low, 4)}–${digits(finalist.high, 4)})` : '', ' ', badge(model.entry)),
       el('p', {class: 'small'}, `${bytes(resources.shared)} shared · ${count(resources.registers)} registers × ${count(resources.threads)} threads · ${resources.spills ? bytes(resources.spills) + ' spilled' : 'no spills'}`,
          finalist.stale ? ' · stale' : '')),
    drawing({class: 'plot'}, (width) => samplesPlot(model, finalist, samples, width)),
    drawing({class: 'plot'}, (width) => intervalPlot(model, finalist, intervals, width)));
}

function final(model) {
  if (!model.finalists.length) return null;
  const single = model.finalists.every((finalist) => finalist.samples.length <= 1);
  const challengers = model.finalists.filter((finalist) => finalist !== model.usual);
  const list = el('ol', {class: 'finalists'});
  const fill = (finalists) => {
    const samples = sampleRange(finalists);
    const intervals = intervalRange(model, finalists);
    list.replaceChildren(...model.finalists.map((finalist, place) => finalistRow(model, finalist, place, samples, intervals)));
    drawAll(list);
  };
  fill(model.finalists);
  const zoom = challengers.length > 1 && model.usual ? el('label', {class: 'tools'}, el('span', {}, el('input', {type: 'checkbox', onchange: (event) =>
    fill(event.target.checked ? challengers : model.finalists)}), ' Axes for the challengers alone')) : null;
  const what = model.entry.modelled ? 'Modelled samples' : 'Samples';
  const lead = single
    ? `${what}: one of each, because the stopwatch says the same every time.`
    : `${what} of interleaved rounds: dots, the box of the middle half, its median, and the range from 5 to 95 %. On the right the ratio to the default with its 95 % interval; the grey band is 2 % around the default, within which configurations count as equal.`;
  return section('final', 'The final', lead, zoom,
    el('div', {class: 'finalist heads', 'aria-hidden': 'true'}, el('span', {}, 'Configuration'), el('span', {}, what), el('span', {}, `${model.time} ÷ the default's`)),
    list);
}
