// Heat maps: for two parameters, the best of all trials that share both values.
'use strict';

function cellsOf(model, rows, columns) {
  const cells = new Map();
  for (const trial of model.timed) {
    const key = `${trial.values[rows.i]}\n${trial.values[columns.i]}`;
    const cell = cells.get(key) || {best: null, many: 0, kinds: new Set()};
    if (!cell.best || trial.ratio < cell.best.ratio) cell.best = trial;
    ++cell.many;
    if (trial.kind !== 'other') cell.kinds.add(trial.kind);
    cells.set(key, cell);
  }
  return (row, column) => cells.get(`${row}\n${column}`);
}

/// A fill between the page and the colour for less (or more) time than the default takes.
function heat(ratio, range) {
  const [low, high] = range;
  const part = ratio <= 1 ? Math.log(ratio) / Math.log(Math.min(low, 0.999)) : Math.log(ratio) / Math.log(Math.max(high, 1.001));
  const strength = Math.round(8 + 72 * Math.min(1, Math.max(0, part)));
  return `color-mix(in srgb, var(--${ratio <= 1 ? 'less' : 'more'}) ${strength}%, var(--panel))`;
}

function bestRange(model, cell, rows, columns) {
  let [low, high] = [1, 1];
  for (const row of rows.values) {
    for (const column of columns.values) {
      const found = cell(row, column);
      if (!found) continue;
      low = Math.min(low, found.best.ratio);
      high = Math.max(high, found.best.ratio);
    }
  }
  return [low, high];
}

function heatTable(model, rows, columns) {
  const cell = cellsOf(model, rows, columns);
  const range = bestRange(model, cell, rows, columns);
  const body = rows.values.map((row) => el('tr', {}, el('th', {scope: 'row'}, row), columns.values.map((column) => {
    const found = cell(row, column);
    if (!found) return el('td', {class: 'empty', title: 'no candidate with these two values was timed'}, '–');
    const signs = ['winner', 'usual'].filter((kind) => found.kinds.has(kind)).map(sign);
    const words = `${times(found.best.ratio)} the default's ${model.time}: best of ${plural(found.many, 'trial')}\n${shortText(found.best.values, model.usualValues)}`;
    return el('td', {style: `background:${heat(found.best.ratio, range)}`, title: words}, signs, digits(found.best.ratio, 3));
  })));
  return el('div', {class: 'scroll', tabindex: '0', role: 'group', 'aria-label': `Heat map of ${rows.name} and ${columns.name}`},
            el('table', {class: 'heat'},
               el('caption', {}, `Best ${model.time} ÷ the default's, for each ${rows.name} (rows) and ${columns.name} (columns) `, badge(model.entry)),
               el('thead', {}, el('tr', {}, el('td', {class: 'corner'}, breakable(rows.name), ' ↓', el('br'), breakable(columns.name), ' →'),
                                  columns.values.map((value) => el('th', {scope: 'col'}, value)))),
               el('tbody', {}, body)));
}

/// A small picture of a pair, to choose it by.
function thumbnail(model, rows, columns) {
  const cell = cellsOf(model, rows, columns);
  const range = bestRange(model, cell, rows, columns);
  const parts = [];
  rows.values.forEach((row, i) => columns.values.forEach((column, j) => {
    const found = cell(row, column);
    if (found) parts.push(svg('rect', {x: j, y: i, width: 1.02, height: 1.02, style: `fill:${heat(found.best.ratio, range)}`}));
  }));
  return svg('svg', {viewBox: `0 0 ${columns.values.length} ${rows.values.length}`, preserveAspectRatio: 'none', 'aria-hidden': 'true'}, parts);
}

/// The pair whose cells differ most is shown first.
function strongestPair(model) {
  let [found, most] = [[model.axes[0], model.axes[1]], -1];
  model.axes.forEach((rows, i) => model.axes.slice(i + 1).forEach((columns) => {
    const [low, high] = bestRange(model, cellsOf(model, rows, columns), rows, columns);
    if (high / low > most) [found, most] = [[rows, columns], high / low];
  }));
  return found;
}

function pairs(model) {
  if (model.axes.length < 2) return null;
  let [rows, columns] = strongestPair(model);
  const shown = el('div', {'aria-live': 'polite'});
  const thumbnails = [];
  const choose = (label, get, set) => el('label', {}, `${label} `, el('select', {onchange: (event) => {
    set(model.axes.find((axis) => axis.name === event.target.value));
    show();
  }}, model.axes.map((axis) => el('option', {value: axis.name}, axis.name))));
  const rowChoice = choose('Rows', () => rows, (axis) => { if (axis === columns) columns = rows; rows = axis; });
  const columnChoice = choose('Columns', () => columns, (axis) => { if (axis === rows) rows = columns; columns = axis; });
  const show = () => {
    rowChoice.querySelector('select').value = rows.name;
    columnChoice.querySelector('select').value = columns.name;
    for (const {button, pair} of thumbnails) {
      button.setAttribute('aria-pressed', String(pair.includes(rows) && pair.includes(columns)));
    }
    shown.replaceChildren(heatTable(model, rows, columns));
  };
  model.axes.forEach((first, i) => model.axes.slice(i + 1).forEach((second) => {
    const button = el('button', {type: 'button', class: 'thumbnail', onclick: () => { [rows, columns] = [first, second]; show(); }},
                      thumbnail(model, first, second), el('span', {}, breakable(first.name), ' × ', breakable(second.name)));
    thumbnails.push({button, pair: [first, second]});
  }));
  show();
  return section('pairs', 'Pairs of parameters',
                 `What two parameters do together. A cell is the least ${model.time} of all candidates that share both values; blue is less than the default's, orange more.`,
                 el('div', {class: 'chosen'}, rowChoice, columnChoice), el('div', {class: 'pairs'}, shown,
                 el('div', {class: 'thumbnails', role: 'group', 'aria-label': 'Choose a pair'}, thumbnails.map((one) => one.button))));
}
