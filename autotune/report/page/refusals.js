// What the gate did not let pass, and why.
'use strict';

const outcomeMeanings = {
  refused: 'could not be compiled, or breaks a limit that only shows after compilation',
  wrong: 'outside the tolerance of the float64 reference',
  not_finite: 'an output held NaN or infinity, or was not written',
  not_repeatable: 'two runs differed in a bit',
  out_of_bounds: 'wrote outside its buffers, or into its inputs',
  faulted: 'the device reported an error',
  hung: 'was not done in time',
  died: 'took the worker process with it',
};

function grouped(list, key) {
  const groups = new Map();
  for (const one of list) {
    const name = key(one);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(one);
  }
  return [...groups].sort((a, b) => b[1].length - a[1].length);
}

function configList(model, trials) {
  const shown = 200;
  return el('ul', {class: 'configs'}, trials.slice(0, shown).map((trial) => el('li', {}, el('code', {title: fullText(trial.values)}, shortText(trial.values, model.usualValues)))),
            trials.length > shown ? el('li', {}, `and ${count(trials.length - shown)} more, in the table below`) : null);
}

function refusalGroup(model, outcome, trials) {
  // Sentences that differ in their numbers alone are one reason.
  const reasons = grouped(trials, (trial) => trial.reason.replace(/\d[\d.,]*(e[-+]?\d+)?/g, '#'));
  return el('details', {class: 'group'},
    el('summary', {}, el('b', {}, outcome.replaceAll('_', ' ')), el('span', {class: 'number'}, plural(trials.length, 'configuration')),
       el('small', {}, said(outcomeMeanings, outcome))),
    reasons.map(([, those]) => el('details', {class: 'reason', open: reasons.length === 1},
      el('summary', {}, el('span', {class: 'why'}, those[0].reason || 'no reason recorded'), el('span', {class: 'number'}, `${count(those.length)}×`)),
      those.some((one) => one.reason !== those[0].reason) ? el('small', {}, 'with other numbers each; the table of trials has them') : null, configList(model, those))));
}

function refusals(model) {
  const current = model.trials.filter((trial) => !trial.stale);
  const failed = current.filter((trial) => trial.outcome !== 'passed');
  const stale = model.trials.filter((trial) => trial.stale);
  const passed = current.length - failed.length;
  const groups = grouped(failed, (trial) => trial.outcome);
  return section('refusals', 'What the gate refused',
    `Each candidate is compared with the float64 reference before it is timed; ${failed.length ? `${plural(failed.length, 'candidate')} of ${count(current.length)} did not pass and ${failed.length === 1 ? 'is' : 'are'} never timed or chosen.` : `all ${count(passed)} passed.`}`,
    groups.map(([outcome, trials]) => refusalGroup(model, outcome, trials)),
    stale.length ? el('details', {class: 'group'}, el('summary', {}, el('b', {}, 'stale'), el('span', {class: 'number'}, plural(stale.length, 'trial')),
      el('small', {}, 'the kernels of these are written differently now: what is known of them counts no more')), configList(model, stale)) : null);
}
