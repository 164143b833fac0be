// Charts are specifications of Vega and Vega-Lite; here they are given their data and put on the page. Colours are the
// page's own custom properties, so that light, dark and print change them without drawing again.

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
const CONFIG = {
  background: null,
  font: FONT,
  view: { stroke: null },
  axis: {
    labelFont: FONT,
    titleFont: FONT,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: "normal",
    titlePadding: 10,
    labelColor: "var(--quiet)",
    titleColor: "var(--quiet)",
    gridColor: "var(--faint)",
    domainColor: "var(--line)",
    tickColor: "var(--line)",
  },
  text: { font: FONT },
  line: { strokeJoin: "round", strokeCap: "round" },
};

// The tooltip holds text only: nothing from data is ever read as markup.
const tooltip = (() => {
  const box = document.getElementById("tooltip");
  return (handler, event, item, value) => {
    box.hidden = value == null || value === "";
    if (box.hidden) return;
    const lines = typeof value === "object" ? Object.entries(value) : [["", String(value)]];
    box.replaceChildren(
      ...lines.map(([name, figure]) => {
        const line = document.createElement("div");
        const [label, content] = [document.createElement("span"), document.createElement("b")];
        label.textContent = name;
        content.textContent = figure;
        line.append(...(name ? [label, content] : [content]));
        return line;
      }),
    );
    const { clientWidth, clientHeight } = document.documentElement;
    box.style.left = `${Math.min(event.clientX + 14, clientWidth - box.offsetWidth - 8)}px`;
    box.style.top = `${Math.min(event.clientY + 14, clientHeight - box.offsetHeight - 8)}px`;
  };
})();

// 1, 2, 5, 10, … between two ends: what a log axis is read by.
const decades = (values) => {
  const known = values.filter((value) => value > 0);
  if (!known.length) return [];
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const powers = Array.from({ length: 40 }, (_, place) => place - 20);
  const ticks = powers.flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
  return ticks.filter((tick) => tick >= low / 2 && tick <= high * 2);
};

// data: {name: rows}; resolves to the view, null where the page has no place for the chart.
const draw = async (name, specification, data, signals = {}) => {
  const place = document.getElementById(`chart-${name}`);
  if (!place) return null;
  const spec = structuredClone(specification);
  const vega = spec.$schema.includes("/vega/");
  if (vega) {
    for (const source of spec.data) if (data[source.name]) source.values = data[source.name];
    for (const signal of spec.signals) if (signal.name in signals) signal.value = signals[signal.name];
  } else {
    spec.datasets = data;
    for (const param of spec.params ?? []) if (param.name in signals) param.value = signals[param.name];
  }
  const options = { actions: false, ast: true, renderer: "svg", config: CONFIG, tooltip, defaultStyle: false };
  const { view } = await window.vegaEmbed(place, spec, options);
  return view;
};
