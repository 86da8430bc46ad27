// Distance to what the work costs at least.
'use strict';

const plainBytes = (value) => `${count(Number(value.toFixed(1)))} bytes`;

function floorRows(model) {
  const {floors} = model.entry;
  const {winner, usual, time} = model;
  const rows = [];
  const each = (seconds) => seconds / floors.token_heads;
  const word = model.entry.modelled ? ', modelled' : '';
  if (usual) rows.push({kind: 'usual', name: `default, ${time}`, value: each(usual.seconds)});
  if (winner && !same(winner.config, model.choice.default)) rows.push({kind: 'winner', name: `winner, ${time}`, value: each(winner.seconds)});
  if (!floors.rates) return rows;
  const own = floors.winner;
  rows.push({kind: 'floor', name: `memory floor${word}`, value: own.memory, words: `${plainBytes(own.bytes)}: q, k, v, o, β${/apf=per_(token|channel)/.test(model.entry.problem) ? ', log γ' : ''} once`});
  if (own.two_phases_memory > 0) {
    rows.push({kind: 'floor', name: `memory floor of two phases${word}`, value: own.two_phases_memory, words: `${plainBytes(own.two_phases_bytes)}: k and β twice, the gain and d in between`});
  }
  rows.push({kind: 'floor', name: `tensor floor${word}, chunks of ${own.chunk}`, value: own.tensor, words: `${count(own.flops)} FLOP of matrix products`});
  if (floors.default.chunk !== own.chunk) {
    rows.push({kind: 'floor', name: `tensor floor${word}, the default's chunks of ${floors.default.chunk}`, value: floors.default.tensor, words: `${count(floors.default.flops)} FLOP of matrix products`});
  }
  return rows;
}

function floorTrack(row, low, high, width) {
  const height = 26;
  const x = (value) => 10 + (Math.log(value / low) / Math.log(high / low)) * (width - 20);
  const parts = logTicks(low, high).map((tick) => svg('line', {class: 'grid', x1: x(tick), x2: x(tick), y1: 0, y2: height}));
  if (row.kind === 'floor') {
    parts.push(svg('line', {class: 'floor', x1: x(row.value), x2: x(row.value), y1: 3, y2: height - 3}));
  } else {
    if (row.above) parts.push(svg('line', {class: 'distance', x1: x(row.above), x2: x(row.value), y1: height / 2, y2: height / 2}));
    parts.push(mark(row.kind, x(row.value), height / 2, 6));
  }
  return svg('svg', {width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true'}, parts);
}

function floorAxis(low, high, width) {
  const x = (value) => 10 + (Math.log(value / low) / Math.log(high / low)) * (width - 20);
  const all = logTicks(low, high);
  const every = Math.max(1, Math.ceil((all.length * 60) / width));
  return svg('svg', {width, height: 16, viewBox: `0 0 ${width} 16`, 'aria-hidden': 'true'}, all.filter((_, i) => i % every === 0).map((tick) =>
    svg('text', {class: 'tick', x: x(tick), y: 12, 'text-anchor': 'middle'}, `${Number((tick * 1e9).toPrecision(3))} ns`)));
}

function floors(model) {
  if (!model.entry.floors || !(model.entry.floors.token_heads > 0)) return null;
  const known = model.entry.floors.rates;
  const title = 'Distance to the floors';
  const rows = floorRows(model).filter((row) => row.value > 0 && row.value < Infinity);
  if (!rows.length) return null;
  const least = rows.filter((row) => row.kind === 'floor').slice(0, model.entry.floors.winner.two_phases_memory > 0 ? 3 : 2).map((row) => row.value);
  const floor = least.length ? Math.max(...least) : null;
  for (const row of rows) if (row.kind !== 'floor') row.above = floor;
  const low = Math.min(...rows.map((row) => row.value)) / 1.25;
  const high = Math.max(...rows.map((row) => row.value)) * 1.25;
  const best = rows.filter((row) => row.kind !== 'floor').pop();
  const lead = el('span', {}, 'Nanoseconds per token and value head, on a logarithmic axis. ',
    !known ? 'No floor is known for this GPU.' : best && floor ? `The ${best.kind === 'usual' ? 'default' : 'winner'} takes ${times(best.value / floor)} the larger floor of our two phases${model.entry.modelled ? ' (both modelled)' : ''}. ` : '',
    known ? 'States in and out are left aside.' : '');
  return section('floors', title, lead,
    el('div', {class: 'floors'}, rows.map((row) => el('div', {class: 'floor-row'},
      el('p', {class: 'what'}, row.kind === 'floor' ? el('i', {class: 'bar-sign'}) : sign(row.kind), ' ', row.name, row.words ? el('small', {}, row.words) : null),
      drawing({class: 'plot'}, (width) => floorTrack(row, low, high, width)),
      el('p', {class: 'number'}, `${nanoseconds(row.value)} ns`))),
    el('div', {class: 'floor-row axis'}, el('p', {}), drawing({class: 'plot'}, (width) => floorAxis(low, high, width)), el('p', {}))),
    known ? el('p', {class: 'small'}, `${digits(known.bytes_per_second * 1e-12, 3)} TB/s and ${digits(known.flops_per_second * 1e-12, 3)} TFLOP/s of 16-bit products: ${known.source}.`) : null);
}
