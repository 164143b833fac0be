// Everything is put together here, once the page has been read.

const { page, charts } = JSON.parse(document.getElementById("data").textContent);
const colour = colourOf(page);

const curve = (points, variant) => points.map(([x, y], order) => ({ variant, colour: colour(variant), x, y, order }));

const CURVES = ["latency", "scope", "coverage"];
const drawCurves = async () => {
  const spreads = page.spreads.flatMap(({ variant, steps }) =>
    steps.map(([ms, share]) => ({ variant, colour: colour(variant), ms, share })),
  );
  const scopes = page.scopes.filter((scope) => scope.roc);
  const own = scopes.map(({ variant, own: [x, y] }) => ({
    variant, colour: colour(variant), x, y,
    words: `${variant}, own decision: accepts ${percent(y)} of in-scope and ${percent(x)} of out-of-scope texts`,
  }));
  const covered = page.scopes.filter((scope) => scope.coverage);
  const epochs = page.epochs.map((each) => ({
    ...each, colour: colour(each.variant), words: `${each.variant}, epoch ${each.epoch}: ${percent(each.accuracy)}`,
  }));
  const scored = page.measurements.filter((row) => row.accuracy != null).map((row) => ({
    variant: row.variant, colour: colour(row.variant), accuracy: row.accuracy,
    low: row.accuracy_ci95[0], high: row.accuracy_ci95[1], words: `${row.variant}: accuracy on test ${withInterval(row)}`,
  }));
  const shown = page.measurements.map((row) => row.variant);
  const views = await Promise.all([
    draw("latency", charts.latency, { steps: spreads }, { shown, ticks: decades(spreads.map((each) => each.ms)) }),
    draw("scope", charts.scope, { points: scopes.flatMap(({ roc, variant }) => curve(roc.points, variant)), own }, { shown }),
    draw("coverage", charts.coverage, { points: covered.flatMap(({ coverage, variant }) => curve(coverage.points, variant)) }, { shown }),
    draw("learning", charts.learning, { epochs }),
    draw("accuracy", { ...charts.accuracy, height: 30 * scored.length }, { rows: scored }),
  ]);
  for (const fieldset of document.querySelectorAll("fieldset.chips")) {
    const theirs = fieldset.dataset.charts.split(" ").map((name) => views[CURVES.indexOf(name)]).filter(Boolean);
    const drawn = fieldset.dataset.charts === "latency" ? page.spreads : page.scopes;
    chooser(fieldset, page, drawn.map((each) => each.variant), (names) => theirs.forEach((view) => view.signal("shown", names).runAsync()));
  }
};

const drawLineage = () => {
  const rows = new Map(page.measurements.map((row) => [row.variant, row]));
  const roots = page.nodes.filter((node) => !node.parent).map((node) => node.name);
  return Promise.all(
    roots.map((root, place) => {
      const inside = (node) => node.name === root || (node.parent && inside(page.nodes.find((each) => each.name === node.parent)));
      const nodes = page.nodes.filter(inside).map((node) => {
        const row = rows.get(node.name);
        const figures = row ? `${milliseconds(row.latency_ms.mean)} · ${percent(row.accuracy)}` : "not measured";
        return {
          ...node, colour: colour(node.name), detail: figures, words: `${node.name}, made by ${node.step}: ${figures}`,
          tip: { "": node.name, step: node.step, ...Object.fromEntries(node.options.slice(0, 8)) },
        };
      });
      return draw(`lineage-${place}`, charts.lineage, { tree: nodes }, { pick: page.pick.variant });
    }),
  );
};

// Words of a command stay whole where a line ends; its text does not change.
const commandWords = (code) => {
  code.replaceChildren(...code.textContent.split(/(?<= )/).map((word) => {
    const whole = document.createElement("span");
    whole.textContent = word;
    return whole;
  }));
};

const copyButtons = () => {
  for (const button of document.querySelectorAll("button[data-copies]")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
  }
};

const mistakesOf = () => {
  const select = document.getElementById("whose");
  if (!select) return;
  const show = () => {
    for (const panel of document.querySelectorAll("[data-mistakes]")) panel.hidden = panel.dataset.mistakes !== select.value;
  };
  select.addEventListener("input", show);
  show();
};

const start = async () => {
  document.querySelectorAll("table.sortable").forEach(sortable);
  for (const dot of document.querySelectorAll(".dot[data-variant]")) dot.style.background = colour(dot.dataset.variant);
  window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
  document.querySelectorAll(".command code").forEach(commandWords);
  copyButtons();
  mistakesOf();
  await explorer(page, charts.bubbles);
  calculator(page);
  await Promise.all([drawCurves(), drawLineage(), drawRoofline(page, charts.roofline)]);
  document.documentElement.dataset.ready = "yes";
};

// The same functions for a reader at the console.
window.packlight = { page, pick: (wanted) => pick(page, wanted), plan, front, digits, milliseconds, megabytes, percent, dollars };
start();
