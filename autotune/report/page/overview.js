// The list of entries, which of them is shown, the theme, and what a printer needs.
'use strict';

const main = document.getElementById('main');
const models = data.entries.map(() => null);

function gainOf(entry) {
  const winner = entry.choice && entry.choice.finalists[0];
  if (!winner) return null;
  return same(winner.config, entry.choice.default) ? 1 : winner.ratio > 0 ? winner.ratio : null;
}

function gainText(entry) {
  const ratio = gainOf(entry);
  if (ratio === null) return entry.choice ? 'no time' : 'nothing chosen';
  return ratio === 1 ? 'default stays' : `${digits(Math.abs(1 - ratio) * 100, 3)} % ${ratio < 1 ? 'less' : 'more'}`;
}

function listItem(entry, index) {
  return el('li', {}, el('a', {href: `#entry=${index + 1}`},
    el('b', {}, problemTitle(entry)), el('span', {}, bucketTitle(entry)),
    el('span', {class: 'gain'}, gainText(entry), ' ', badge(entry)),
    el('span', {class: 'minibar', 'aria-hidden': 'true'}, el('i', {style: `width:${100 * Math.min(1, gainOf(entry) || 1)}%`}))));
}

function overview() {
  const list = el('div', {class: 'list'});
  const items = [];
  let gpu = null;
  let group = null;
  data.entries.forEach((entry, index) => {
    const name = `${entry.gpu.name}, ${entry.gpu.arch}, ${entry.gpu.multiprocessors} SMs, ${entry.gpu.memory_clock_mhz} MHz`;
    if (name !== gpu) {
      group = el('ul');
      list.append(el('h2', {}, name), group);
      gpu = name;
    }
    const item = listItem(entry, index);
    items.push({item, text: `${entry.problem} ${entry.bucket} ${name} ${entry.origin}`.toLowerCase()});
    group.append(item);
  });
  const search = el('input', {type: 'search', placeholder: 'bf16 h200 …', 'aria-label': 'Filter entries', oninput: (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const {item, text} of items) item.hidden = !words.every((word) => text.includes(word));
  }});
  const summary = el('summary', {}, `${plural(data.entries.length, 'entry', 'entries')}`, el('span', {id: 'now'}));
  const all = el('details', {class: 'overview', open: window.matchMedia('(min-width: 60rem)').matches}, summary,
                 data.entries.length > 8 ? search : null, list);
  window.matchMedia('(min-width: 60rem)').addEventListener('change', (event) => { all.open = event.matches; });
  return {all, items, now: summary.querySelector('#now')};
}

const asked = () => {
  const number = Number((location.hash.match(/^#entry=(\d+)$/) || [])[1] || 1);
  return Math.min(Math.max(number, 1), data.entries.length) - 1;
};

function show(list) {
  const index = asked();
  const model = models[index] || (models[index] = modelOf(data.entries[index]));
  hideTip();
  redrawn.disconnect();
  main.replaceChildren(...[headline(model), landscape(model), pairs(model), final(model), floors(model), refusals(model), trials(model)].filter(Boolean));
  drawAll(main);
  document.title = `${problemTitle(model.entry)}: osdn tuning report`;
  list.items.forEach(({item}, i) => {
    const link = item.querySelector('a');
    if (i === index) link.setAttribute('aria-current', 'true');
    else link.removeAttribute('aria-current');
  });
  list.now.textContent = ` · ${index + 1}: ${problemTitle(model.entry)}`;
  const narrow = !window.matchMedia('(min-width: 60rem)').matches;
  if (narrow) list.all.open = false;
}

function chooseTheme() {
  const names = ['system', 'light', 'dark'];
  const button = document.getElementById('theme');
  let now = 0;
  try {
    now = Math.max(0, names.indexOf(localStorage.getItem('osdn-report-theme')));
  } catch { /* a page from a file may have no storage */ }
  const apply = () => {
    if (now === 0) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = names[now];
    button.textContent = `Theme: ${names[now]}`;
  };
  button.hidden = false;
  button.addEventListener('click', () => {
    now = (now + 1) % names.length;
    apply();
    try {
      localStorage.setItem('osdn-report-theme', names[now]);
    } catch { /* see above */ }
  });
  apply();
}

window.addEventListener('beforeprint', () => {
  for (const one of main.querySelectorAll('details')) one.open = true;
});

chooseTheme();
document.getElementById('source').textContent = [data.source, data.library ? `osdn ${data.library}` : ''].filter(Boolean).join(' · ');
if (!data.entries.length) {
  main.append(el('section', {class: 'nothing'}, el('h1', {}, 'The tuning database holds no entries'),
    el('p', {}, 'Nothing has been tuned yet. Tune a problem and write this page again:'),
    el('pre', {}, 'osdn tune --preset paper --shapes b=4,t=8192,h=32\nosdn report OUT.html')));
} else {
  const list = overview();
  const nav = document.getElementById('overview');
  nav.append(list.all);
  nav.hidden = data.entries.length < 2;
  document.getElementById('shell').classList.toggle('alone', data.entries.length < 2);
  window.addEventListener('hashchange', () => {
    if (!/^#entry=/.test(location.hash)) return;
    show(list);
    window.scrollTo(0, 0);
  });
  show(list);
}
