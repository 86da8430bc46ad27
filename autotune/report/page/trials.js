// Every trial, to sort and to search.
'use strict';

const pageRows = 100;

function trialColumns(model) {
  const number = (name, title, get, words) => ({name, title, get, words: words || ((trial) => count(get(trial))), number: true});
  return [
    ...fieldNames.map((name, i) => ({name: name.replaceAll('_', ' '), title: name, get: (trial) => (numeric(trial.values[i]) ? Number(trial.values[i]) : trial.values[i]), words: (trial) => trial.values[i], number: numeric((model.trials[0] || {values: []}).values[i] || '')})),
    {name: 'outcome', title: 'what became of it', get: (trial) => trial.outcome, words: (trial) => trial.outcome.replaceAll('_', ' ')},
    number('÷\u00a0default', `${model.time} over the default's, paired by round`, (trial) => trial.ratio || Infinity, (trial) => (trial.ratio > 0 ? digits(trial.ratio, 4) : '–')),
    number(model.time, model.entry.caveat || 'median of one operation', (trial) => trial.seconds || Infinity, (trial) => duration(trial.seconds)),
    number('spread', 'half the interquartile range over the median', (trial) => trial.spread, (trial) => (trial.samples > 1 ? percent(trial.spread) : '–')),
    number('samples', 'kept', (trial) => trial.samples),
    number('discarded', 'samples thrown away as disturbed', (trial) => trial.discarded),
    number('registers', 'per thread, the most of its kernels', (trial) => trial.registers),
    number('spills', 'bytes per thread, all kernels', (trial) => trial.spills),
    number('shared', 'bytes per CTA, the most of its kernels', (trial) => trial.shared, (trial) => bytes(trial.shared)),
    number('threads', 'per CTA, all kernels', (trial) => trial.threads),
    number('workspace', 'bytes at the shape probed', (trial) => trial.workspace, (trial) => bytes(trial.workspace)),
    number('compile', 'milliseconds, all kernels', (trial) => trial.compile, (trial) => `${count(Math.round(trial.compile))} ms`),
    ...(new Set(model.trials.map((trial) => trial.stopwatch)).size > 1 ? [{name: 'stopwatch', title: 'what took the time', get: (trial) => trial.stopwatch, words: (trial) => trial.stopwatch || 'unknown'}] : []),
    {name: 'note', title: 'reason, or that it is stale', get: (trial) => trial.reason, words: (trial) => [trial.stale ? 'stale' : '', trial.reason].filter(Boolean).join(': ')},
  ];
}

const searchText = (trial) => `${fullText(trial.values)} ${trial.outcome} ${trial.outcome.replaceAll('_', ' ')} ${trial.reason} ${trial.stale ? 'stale' : ''}`.toLowerCase();

function sortTrials(list, column, falling) {
  const sorted = [...list].sort((a, b) => {
    const [x, y] = [column.get(a), column.get(b)];
    return x < y ? -1 : x > y ? 1 : a.index - b.index;
  });
  return falling ? sorted.reverse() : sorted;
}

/// Built without el(): there may be fifty thousand of these cells.
function trialRow(columns, trial) {
  const row = document.createElement('tr');
  row.className = [trial.outcome === 'passed' ? '' : 'failed', trial.stale ? 'stale' : '', trial.kind].join(' ');
  for (const column of columns) {
    const cell = document.createElement('td');
    if (column.number) cell.className = 'number';
    else if (column.name === 'note') cell.className = 'note';
    cell.textContent = column.words(trial);
    row.append(cell);
  }
  if (trial.kind !== 'other') row.firstChild.prepend(sign(trial.kind), ' ');
  return row;
}

function trials(model) {
  const columns = trialColumns(model);
  const state = {column: columns[fieldNames.length + 1], falling: false, filter: '', rows: pageRows};
  const texts = model.trials.map(searchText);
  const body = el('tbody');
  const found = el('span', {class: 'found', role: 'status'});
  const more = el('p', {class: 'more'});
  const heads = columns.map((column) => el('th', {scope: 'col', class: column.number ? 'number' : null, title: column.title},
    el('button', {type: 'button', onclick: () => {
      state.falling = state.column === column && !state.falling;
      state.column = column;
      show();
    }}, column.name)));
  const show = () => {
    const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = model.trials.filter((trial) => words.every((word) => texts[trial.index].includes(word)));
    const sorted = sortTrials(kept, state.column, state.falling);
    body.replaceChildren(...sorted.slice(0, state.rows).map((trial) => trialRow(columns, trial)));
    heads.forEach((head, i) => head.setAttribute('aria-sort', columns[i] !== state.column ? 'none' : state.falling ? 'descending' : 'ascending'));
    found.textContent = kept.length === model.trials.length ? plural(kept.length, 'trial') : `${count(kept.length)} of ${plural(model.trials.length, 'trial')}`;
    const left = sorted.length - state.rows;
    const button = (text, rows) => el('button', {type: 'button', onclick: () => { state.rows = rows; show(); }}, text);
    more.replaceChildren(...(left > 0 ? [`${count(state.rows)} shown. `, button(`${count(Math.min(left, 4 * pageRows))} more`, state.rows + 4 * pageRows), ' ', button('all', Infinity)] : []));
  };
  if (!model.trials.length) return section('trials', 'All trials', null, el('p', {class: 'none'}, 'No trial is recorded.'));
  show();
  return section('trials', 'All trials', `Sort by a column's name. ${model.entry.modelled ? `Times are ${model.entry.caveat}.` : ''}`,
    el('div', {class: 'tools'}, el('label', {}, 'Search ', el('input', {type: 'search', placeholder: 'chunk=64 wrong …', oninput: (event) => { state.filter = event.target.value; state.rows = pageRows; show(); }})), found),
    el('div', {class: 'scroll tall', tabindex: '0', role: 'region', 'aria-label': 'Table of trials'},
       el('table', {class: 'trials'}, el('thead', {}, el('tr', {}, heads)), body)), more);
}
