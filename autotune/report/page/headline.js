// What was decided: default and winner, how sure that is, and under which circumstances.
'use strict';

function verdict(model) {
  const {choice, winner, usual, entry} = model;
  if (!choice || !winner) {
    const best = model.timed.reduce((a, b) => (a && a.ratio <= b.ratio ? a : b), null);
    return el('div', {class: 'verdict'},
              el('p', {class: 'big'}, 'Nothing chosen yet'),
              el('p', {}, `${plural(model.trials.length, 'trial')} recorded, but no sweep of this key has come to an end. `,
                 best ? `The least ${model.time} so far: ${times(best.ratio)} the default's. ` : '',
                 'Resume it with osdn tune.'));
  }
  if (same(winner.config, choice.default)) {
    return el('div', {class: 'verdict'}, el('p', {class: 'big'}, 'The default stays'),
              el('p', {}, `No candidate takes less ${model.time} than the default beyond noise: `, duration(winner.seconds), '.'));
  }
  if (!(winner.ratio > 0)) {
    return el('div', {class: 'verdict'}, el('p', {class: 'big'}, 'Chosen, without a time'),
              el('p', {}, 'The record of the winner holds no ratio to the default.'));
  }
  const saved = 1 - winner.ratio;
  const least = Math.min(...model.finalists.map((one) => one.ratio));
  return el('div', {class: 'verdict'},
            el('p', {class: 'big'}, percent(Math.abs(saved), 3), ` ${saved >= 0 ? 'less' : 'more'} ${model.time}`),
            el('p', {class: 'from-to'}, sign('usual'), ` default ${usual ? duration(usual.seconds) : '–'} `,
               el('span', {class: 'arrow'}, '→'), sign('winner'), ` winner ${duration(winner.seconds)} `, badge(entry)),
            el('p', {}, `${times(winner.ratio)} the default's ${model.time}`,
               winner.high > winner.low
                 ? `; 95 % confidence interval ${digits(winner.low, 4)} to ${digits(winner.high, 4)}, paired by round.`
                 : '; every sample is the same, so there is no interval.',
               least < winner.ratio ? ` The least in the final is ${times(least)}: equal within noise, and the winner is leaner.` : ''));
}

function configCard(model, title, kind, values, against) {
  const rows = values.map((value, i) => {
    const differs = against && against[i] !== value;
    return el('tr', {class: differs ? 'differs' : null}, el('th', {scope: 'row'}, fieldNames[i]),
              el('td', {}, value, differs ? el('span', {class: 'was'}, ` was ${against[i]}`) : null));
  });
  return el('div', {class: 'card'}, el('h3', {}, sign(kind), ' ', title), el('table', {class: 'plain'}, el('tbody', {}, rows)));
}

/// How many candidates came how far: bars and numbers.
function funnel(choice, model) {
  const steps = [
    ['legal', choice.candidates, 'configurations that keep every constraint'],
    ['tried', choice.tried, 'settled by a trial, in this sweep or before'],
    ['gated out', choice.gated_out, 'refused, wrong, or broken: never timed'],
    ['timed', choice.tried - choice.gated_out, 'tried and not gated out'],
    ['in the final', model.finalists.length, 'the default among them'],
  ];
  const most = Math.max(1, ...steps.map((step) => step[1]));
  return el('div', {class: 'card'}, el('h3', {}, 'Candidates'),
            el('table', {class: 'plain funnel'}, el('tbody', {}, steps.map(([name, value, meaning]) =>
              el('tr', {title: meaning}, el('th', {scope: 'row'}, name), el('td', {class: 'number'}, count(value)),
                 el('td', {class: 'bar'}, el('span', {style: `width:${(100 * value) / most}%`})))))));
}

function facts(rows) {
  return el('dl', {class: 'facts'}, rows.filter((row) => row && row[1] !== '' && row[1] !== null)
      .map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))));
}

const stopwatches = {
  events: 'device events around graph replays',
  modelled: 'the emulator\'s timing model',
};

const endings = {
  separated: 'separated: the intervals tell the winner from all others',
  'within noise': 'within noise: several are equal, the leanest of them won',
  budget: 'the budget ended it',
  interrupted: 'interrupted: the best of what was known',
};

function circumstances(model) {
  const {choice, entry, winner} = model;
  const software = choice ? choice.software : null;
  return facts([
    choice && ['Race', said(endings, choice.ended) || 'unknown'],
    choice && ['Search', `${choice.strategy}, seed ${choice.seed}`],
    winner && winner.seconds > 0 && ['Spread of the winner', `${percent(winner.spread)} (half the interquartile range over the median)`],
    choice && ['Samples discarded', `${count(choice.discarded)} in the final, as disturbed`],
    choice && ['Shape probed', el('code', {}, choice.shape)],
    software && ['When', date(software.when)],
    software && ['Stopwatch', said(stopwatches, software.stopwatch) || 'unknown'],
    software && ['Software', `osdn ${software.osdn || '?'}, driver ${software.driver || '?'}, NVRTC ${software.nvrtc || '?'}`],
    entry.pin && ['Pinned by hand', el('span', {}, el('code', {}, fullText(entry.pin.config)), ` since ${date(entry.pin.when)}; this is what is used`)],
    model.entry.earlier.length ? ['Earlier choices', earlierChoices(model)] : null,
    ['Recorded in', el('code', {}, entry.origin || 'memory')],
    entry.damaged + entry.foreign > 0 && ['Lines not read', `${count(entry.damaged)} damaged, ${count(entry.foreign)} of a newer format`],
  ]);
}

function earlierChoices(model) {
  return el('ul', {}, model.entry.earlier.map((one) => el('li', {}, `${date(one.when)}: `,
    one.winner ? `${times(one.ratio)} ${model.time}, ${shortText(one.winner, model.usualValues)}` : 'nothing', one.ended ? ` (${one.ended})` : '')));
}

function headline(model) {
  const {entry, choice, winner} = model;
  const cards = [];
  if (choice && winner) {
    if (!same(winner.config, choice.default)) {
      cards.push(configCard(model, 'Winner', 'winner', winner.config, choice.default));
    }
    cards.push(configCard(model, 'Default', 'usual', choice.default, null));
    cards.push(funnel(choice, model));
  }
  return el('header', {class: 'headline'},
            el('h1', {}, problemTitle(entry)),
            el('p', {class: 'key'}, el('span', {}, bucketTitle(entry)),
               el('span', {}, `${entry.gpu.name}, ${entry.gpu.arch}, ${plural(entry.gpu.multiprocessors, 'multiprocessor')}, memory ${count(entry.gpu.memory_clock_mhz)} MHz`)),
            el('p', {class: 'problem'}, el('code', {}, entry.problem)),
            entry.caveat ? el('p', {class: 'caveat', role: 'note'}, el('b', {}, 'Not a measurement. '),
                              entry.modelled ? 'Every time of this entry is ' : 'Every time of this entry was ', entry.caveat, '.') : null,
            winner && winner.stale ? el('p', {class: 'caveat', role: 'note'}, el('b', {}, 'Stale. '),
                'The winner\'s kernels are written differently now; this entry serves nobody until it is tuned again.') : null,
            verdict(model), el('div', {class: 'cards'}, cards), circumstances(model));
}
