"use strict";
// Draws the charts, and redraws them when day turns to night, the window changes, or it is printed.
(() => {
  const told = JSON.parse(document.getElementById("data").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const touched = window.matchMedia("(pointer: coarse)").matches;
  const PRINTED = 680; // Pixels of a page of paper between its margins.

  const template = (night) => structuredClone(told.templates[night ? "dark" : "light"]);

  // Names of phases that are wider than their phase would lie on each other.
  const fit = (chart) => {
    const axis = chart._fullLayout.xaxis;
    const change = {};
    chart.layout.annotations?.forEach((note, number) => {
      const found = /^phase (\S+) (\S+)$/.exec(note.name ?? "");
      if (!found) return;
      const room = axis.d2p(Number(found[2])) - axis.d2p(Number(found[1]));
      const visible = room > 7 * note.text.length + 4;
      if ((note.visible ?? true) !== visible) change[`annotations[${number}].visible`] = visible;
    });
    if (Object.keys(change).length) Plotly.relayout(chart, change);
  };

  const charts = Object.entries(told.charts).map(([key, { data, layout }]) => {
    const chart = document.getElementById(`chart-${key}`);
    const shown = { ...layout, template: template(dark.matches) };
    if (touched) shown.dragmode = false; // A finger on a chart scrolls the page.
    Plotly.newPlot(chart, data, shown, {
      responsive: true,
      displaylogo: false,
      displayModeBar: true,
      modeBarButtons: [["toImage", "resetScale2d"]],
      toImageButtonOptions: { ...told.picture, filename: `${told.name}-${key}` },
    }).then(fit);
    chart.on("plotly_relayout", () => fit(chart));
    return chart;
  });

  const redraw = (night) => charts.forEach((c) => Plotly.relayout(c, { template: template(night) }));
  dark.addEventListener("change", () => redraw(dark.matches));
  window.addEventListener("resize", () => charts.forEach(fit));
  window.addEventListener("beforeprint", () =>
    charts.forEach((c) => Plotly.relayout(c, { template: template(false), width: PRINTED })));
  window.addEventListener("afterprint", () =>
    charts.forEach((c) => Plotly.relayout(c, { template: template(dark.matches), width: null, autosize: true })));
})();
