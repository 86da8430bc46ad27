// Time against each parameter: every timed trial is a dot.
'use strict';

/// The range that all strips share.
function ratioRange(model) {
  let low = Infinity;
  let high = -Infinity;
  for (const trial of model.timed) {
    low = Math.min(low, trial.ratio);
    high = Math.max(high, trial.ratio);
  }
  return [Math.min(low, 1) / 1.06, Math.max(high, 1) * 1.06];
}

function strip(model, axis, range, width) {
  const room = {left: 42, right: 6, top: 8, bottom: 52};
  const height = 250;
  const [low, high] = range;
  const bandWidth = (width - room.left - room.right) / axis.values.length;
  const middle = (i) => room.left + bandWidth * (i + 0.5);
  const y = (ratio) => height - room.bottom - (Math.log(ratio / low) / Math.log(high / low)) * (height - room.bottom - room.top);
  const band = new Map(axis.values.map((value, i) => [value, i]));
  const parts = [];
  for (const tick of logTicks(low, high)) {
    parts.push(svg('line', {class: tick === 1 ? 'grid one' : 'grid', x1: room.left, x2: width - room.right, y1: y(tick), y2: y(tick)}));
    parts.push(svg('text', {class: 'tick', x: room.left - 6, y: y(tick) + 4, 'text-anchor': 'end'}, plainTimes(tick)));
  }
  const places = [];
  let path = '';
  const best = axis.values.map(() => Infinity);
  const many = axis.values.map(() => 0);
  for (const trial of model.timed) {
    const i = band.get(trial.values[axis.i]);
    best[i] = Math.min(best[i], trial.ratio);
    ++many[i];
    const spot = {trial, x: middle(i) + (scatter(trial.index) - 0.5) * bandWidth * 0.7, y: y(trial.ratio)};
    if (trial.kind !== 'other') spot.x = middle(i);
    places.push(spot);
    path += `M${spot.x.toFixed(1)} ${spot.y.toFixed(1)}h0`;
  }
  // One path of round dots: thousands of them cost one element.
  parts.push(svg('path', {class: model.timed.length > 300 ? 'dots many' : 'dots', d: path}));
  axis.values.forEach((value, i) => {
    const reach = Math.min(bandWidth * 0.42, 34);
    parts.push(svg('line', {class: 'best', x1: middle(i) - reach, x2: middle(i) + reach, y1: y(best[i]), y2: y(best[i])}));
    parts.push(svg('text', {class: 'value', x: middle(i), y: height - 34, 'text-anchor': 'middle'}, value));
    parts.push(svg('text', {class: 'tick', x: middle(i), y: height - 19, 'text-anchor': 'middle'}, times(best[i])));
    parts.push(svg('text', {class: 'tick', x: middle(i), y: height - 5, 'text-anchor': 'middle'}, count(many[i])));
  });
  for (const [row, name] of [[19, 'best'], [5, 'trials']]) {
    parts.push(svg('text', {class: 'tick', x: 0, y: height - row}, name));
  }
  for (const kind of ['usual', 'winner']) {
    for (const spot of places) if (spot.trial.kind === kind) parts.push(mark(kind, spot.x, spot.y, 7));
  }
  const nearest = (event) => {
    const box = picture.getBoundingClientRect();
    const at = {x: event.clientX - box.left, y: event.clientY - box.top};
    let found = null;
    let least = 14 ** 2;
    for (const spot of places) {
      const far = (spot.x - at.x) ** 2 + (spot.y - at.y) ** 2;
      if (far < least) [least, found] = [far, spot];
    }
    if (!found) return hideTip();
    const {trial} = found;
    return showTip(event, [`${times(trial.ratio)} the default's ${model.time}, ${duration(trial.seconds)}`, shortText(trial.values, model.usualValues)]);
  };
  const words = axis.values.map((value, i) => `${value}: best ${times(best[i])}, ${plural(many[i], 'trial')}`).join('; ');
  const picture = svg('svg', {width, height, viewBox: `0 0 ${width} ${height}`, role: 'img',
                              'aria-label': `${model.time} against ${axis.name}. ${words}`, onpointermove: nearest, onpointerleave: hideTip}, parts);
  return picture;
}

function legend(model) {
  return el('p', {class: 'legend'}, el('span', {}, sign('winner'), ' winner'), el('span', {}, sign('usual'), ' default'),
            el('span', {}, sign('other'), ' another candidate'), el('span', {}, el('i', {class: 'dash'}), ' least of a value'),
            badge(model.entry));
}

function landscape(model) {
  const lead = `${model.time[0].toUpperCase()}${model.time.slice(1)} of every candidate that passed the gate, as a multiple of the default's, on a logarithmic axis: lower is less.`;
  if (!model.axes.length) {
    return section('landscape', 'Landscape', null, el('p', {class: 'none'},
      model.timed.length ? 'Only one configuration was timed: there is nothing to compare.' : 'No candidate was timed.'));
  }
  const range = ratioRange(model);
  return section('landscape', 'Landscape', lead, legend(model),
                 el('div', {class: 'strips'}, model.axes.map((axis) =>
                   el('figure', {}, el('figcaption', {}, axis.name), drawing({class: 'plot'}, (width) => strip(model, axis, range, width))))));
}
