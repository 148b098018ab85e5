// The same as `dressed` of look.py, on the JSON of a figure: changes and returns it.
function dress(figure, look, mode) {
  const colours = look.colours[mode];
  const paint = (part, properties, role) => {
    for (const [path, name] of Object.entries(properties)) {
      const keys = path.split(".");
      const last = keys.pop();
      let place = part;
      for (const key of keys) place = place[key] ??= {};
      place[last] = name === "role" ? colours[role] : colours[name];
    }
  };
  for (const trace of figure.data) paint(trace, look.paint.traces[trace.type], trace.meta.role);
  paint(figure.layout, look.paint.layout);
  for (const name of Object.keys(figure.layout)) {
    if (/^[xy]axis/.test(name)) paint(figure.layout[name], look.paint.axes);
  }
  return figure;
}
