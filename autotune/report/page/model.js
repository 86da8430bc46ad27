// An entry as the parts of the page need it.
'use strict';

const fieldNames = data.fields;
const outcomeNames = data.outcomes;

const numeric = (text) => text !== '' && Number.isFinite(Number(text));

/// Numbers by size, words by the alphabet.
function ordered(values) {
  return [...values].sort((a, b) => (numeric(a) && numeric(b) ? Number(a) - Number(b) : a < b ? -1 : a > b ? 1 : 0));
}

const fullText = (values) => values.map((value, i) => `${fieldNames[i]}=${value}`).join(',');

/// What differs from the default, in words; all of it where nothing is known of a default.
function shortText(values, usual) {
  if (!usual) return fullText(values);
  const parts = values.map((value, i) => (value === usual[i] ? null : `${fieldNames[i]}=${value}`)).filter(Boolean);
  return parts.length ? parts.join(', ') : 'the default';
}

function trialsOf(entry) {
  const columns = entry.trials;
  const out = [];
  for (let i = 0; i < columns.count; ++i) {
    out.push({
      index: i,
      values: columns.config.map((column) => column[i]),
      outcome: outcomeNames[columns.outcome[i]],
      reason: columns.reasons[columns.reason[i]],
      seconds: columns.seconds[i],
      ratio: columns.ratio[i],
      spread: columns.spread[i],
      samples: columns.samples[i],
      discarded: columns.discarded[i],
      registers: columns.registers[i],
      spills: columns.spills[i],
      shared: columns.shared[i],
      threads: columns.threads[i],
      workspace: columns.workspace[i],
      compile: columns.compile[i],
      shape: columns.shapes[columns.shape[i]],
      stopwatch: columns.stopwatches[columns.stopwatch[i]],
      when: columns.when[i],
      stale: columns.stale[i] === 1,
    });
  }
  return out;
}

const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);

/// Where `usual` and `winner` are what the choice says, and `timed` are the trials that a plot can show.
function modelOf(entry) {
  const choice = entry.choice;
  const trials = trialsOf(entry);
  const usualValues = choice ? choice.default : null;
  const finalists = choice ? choice.finalists : [];
  const usual = usualValues ? finalists.find((one) => same(one.config, usualValues)) || null : null;
  const winner = finalists.length ? finalists[0] : null;
  // Times of different stopwatches are not compared.
  const stopwatch = choice ? choice.software.stopwatch : trials.length ? trials[trials.length - 1].stopwatch : '';
  const timed = trials.filter((trial) => trial.outcome === 'passed' && !trial.stale && trial.ratio > 0 && trial.stopwatch === stopwatch);
  const axes = fieldNames
      .map((name, i) => ({name, i, values: ordered(new Set(timed.map((trial) => trial.values[i])))}))
      .filter((axis) => axis.values.length > 1);
  // A default that won is still the default.
  const kind = (values) => (usualValues && same(values, usualValues) ? 'usual' : winner && same(values, winner.config) ? 'winner' : 'other');
  for (const trial of trials) trial.kind = kind(trial.values);
  return {
    entry, choice, trials, finalists, usual, winner, usualValues, timed, axes,
    winnerValues: winner ? winner.config : null,
    // No times are called anything but what they are.
    time: entry.modelled ? 'modelled time' : 'time',
    kind,  // of a configuration: which mark stands for it
  };
}

/// The word that stands beside every time of an entry that no device took.
function badge(entry) {
  if (!entry.caveat) return null;
  return el('span', {class: 'badge', title: entry.caveat}, entry.modelled ? 'modelled' : 'emulated');
}

const problemFields = (entry) => {
  const [operation, rest] = entry.problem.split(/:(.*)/s);
  return [operation, ...(rest ? rest.split(',') : [])];
};

/// `bf16 128×128 apf=per_token`: enough to tell entries apart in a list.
function problemTitle(entry) {
  const fields = new Map(problemFields(entry).slice(1).map((part) => part.split('=')));
  const words = [fields.get('type'), `K\u00a0${fields.get('k')}`, `V\u00a0${fields.get('v')}`];
  words.push(fields.get('precondition') === 'none' ? 'DeltaNet' : 'OSDN');
  if (fields.get('apf') && fields.get('apf') !== 'none') words.push(`apf\u00a0${fields.get('apf')}`);
  return words.filter(Boolean).join(' · ');
}

const bucketTitle = (entry) => entry.bucket.replace(/heads=2\^(\d+),tokens=2\^(\d+)/, (_, heads, tokens) =>
    `${count(2 ** heads)} heads × ${count(2 ** tokens)} tokens`);

function section(id, title, lead, ...children) {
  return el('section', {id, 'aria-labelledby': `${id}-title`}, el('h2', {id: `${id}-title`}, title),
            lead ? el('p', {class: 'lead'}, lead) : null, ...children);
}
