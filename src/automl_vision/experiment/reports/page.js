// Draws the charts one after another, in the colours of the reader's system, and in light ones for paper.
const dark = matchMedia("(prefers-color-scheme: dark)");
const places = [...document.querySelectorAll("[data-figure]")];

function draw(place, mode) {
  const figure = dress(structuredClone(figures[place.dataset.figure]), look, mode);
  Plotly.react(place, figure.data, figure.layout, {responsive: true, displaylogo: false, displayModeBar: false});
}

function drawAll() {
  for (const place of places) setTimeout(draw, 0, place, dark.matches ? "dark" : "light");
}

dark.addEventListener("change", drawAll);
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((part) => (part.open = true));
  places.forEach((place) => draw(place, "light"));
});
addEventListener("afterprint", drawAll);
drawAll();
