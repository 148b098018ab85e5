// Draws each chart when it comes into view, in the colours of the reader's system; all of them, in light, for paper.
const dark = matchMedia("(prefers-color-scheme: dark)");
const places = [...document.querySelectorAll("[data-figure]")];
const seen = new Set();

function draw(place, mode) {
  const figure = dress(structuredClone(figures[place.dataset.figure]), look, mode);
  Plotly.react(place, figure.data, figure.layout, {responsive: true, displaylogo: false, displayModeBar: false});
  seen.add(place);
}

const mode = () => (dark.matches ? "dark" : "light");
const watcher = new IntersectionObserver((entries) => {
  for (const {target, isIntersecting} of entries) if (isIntersecting && !seen.has(target)) draw(target, mode());
}, {rootMargin: "400px"});
places.forEach((place) => watcher.observe(place));
dark.addEventListener("change", () => seen.forEach((place) => draw(place, mode())));
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((part) => (part.open = true));
  places.forEach((place) => draw(place, "light"));
});
addEventListener("afterprint", () => seen.forEach((place) => draw(place, mode())));
