// The bubble plot with its axis and limits: each change moves the pick, the plot and the command.

const AXES = {
  mean: { title: "mean latency, ms (log scale; faster is left)", of: (row) => row.latency_ms.mean },
  p95: { title: "p95 latency, ms (log scale; faster is left)", of: (row) => row.latency_ms.p95 },
  p99: { title: "p99 latency, ms (log scale; faster is left)", of: (row) => row.latency_ms.p99 },
  size: { title: "size on disk, MB (log scale; smaller is left)", of: (row) => row.size_mb },
  memory: { title: "peak memory, MB (log scale; smaller is left)", of: (row) => row.peak_memory_mb },
  cost: { title: "cost per million requests, $ (log scale; cheaper is left)", of: (row, costs) => costs.get(row.variant) ?? null },
};

// What each slider is about, how its value is written, and which way it asks for nothing: "max" at its upper end.
const SLIDERS = {
  max_latency_ms: { of: (row, wanted) => row.latency_ms[wanted.percentile], write: milliseconds, open: "max" },
  min_accuracy: { of: (row) => choiceOf(row)?.accuracy, write: percent, open: "min" },
  max_size_mb: { of: (row) => row.size_mb, write: megabytes, open: "max" },
  max_memory_mb: { of: (row) => row.peak_memory_mb, write: megabytes, open: "max" },
  min_throughput: { of: (row) => row.throughput_batch32, write: (value) => `${digits(value)} texts/s`, open: "min" },
};
const STEPS = 100;

// A slider's place from 0 to STEPS as a value with three digits, evenly on a log scale (accuracy: evenly).
const valueAt = (name, place, rows, wanted) => {
  const slider = SLIDERS[name];
  if (place === (slider.open === "max" ? STEPS : 0)) return null;
  const figures = rows.map((row) => slider.of(row, wanted)).filter((figure) => figure != null);
  const [low, high] = [Math.min(...figures), Math.max(...figures)];
  const share = place / STEPS;
  if (name === "min_accuracy") return Number((low + (high - low) * 1.03 * share).toFixed(3));
  const [from, to] = [Math.log(low * 0.93), Math.log(high * 1.05)];
  return Number(Math.exp(from + (to - from) * share).toPrecision(3));
};

// The rows that no other beats in both, from left to right: (x, accuracy).
const front = (rows) =>
  rows
    .filter((row) => row.x != null && row.accuracy != null)
    .filter((row, _, all) => !all.some((other) => beats(other, row)))
    .sort((a, b) => a.x - b.x);
const beats = (other, row) =>
  other.x <= row.x && other.accuracy >= row.accuracy && (other.x !== row.x || other.accuracy !== row.accuracy);

const withInterval = ({ accuracy, accuracy_ci95: ends }) =>
  ends ? `${percent(accuracy)} (${ends.map(percent).join(" to ")})` : percent(accuracy);

const bubblesOf = (page, costs) => {
  const colour = colourOf(page);
  return page.measurements.map((row) => ({
    variant: row.variant,
    accuracy: choiceOf(row)?.accuracy ?? null,
    low: choiceOf(row)?.accuracy_ci95[0] ?? null,
    high: choiceOf(row)?.accuracy_ci95[1] ?? null,
    colour: colour(row.variant),
    ...Object.fromEntries(Object.entries(AXES).map(([name, axis]) => [name, axis.of(row, costs)])),
    words: `${row.variant}: ${milliseconds(row.latency_ms.mean)}, accuracy on ${page.summary.chosen_on} ${percent(choiceOf(row)?.accuracy)}, ${megabytes(row.size_mb)}`,
    tip: {
      "": row.variant,
      ...(row.val ? { "accuracy on val": withInterval(row.val) } : {}),
      "accuracy on test": withInterval(row),
      mean: milliseconds(row.latency_ms.mean),
      "p95 / p99": `${milliseconds(row.latency_ms.p95)} / ${milliseconds(row.latency_ms.p99)}`,
      size: megabytes(row.size_mb),
      memory: megabytes(row.peak_memory_mb),
      speedup: times(row.speedup),
      "per million requests": costs.has(row.variant) ? dollars(costs.get(row.variant)) : NONE,
      "runs on": `${row.engine}, ${row.precision}`,
    },
  }));
};

const unsteadyPick = (page, found) => {
  const profile = page.evidence.profiles.find((each) => each.name === found.profile);
  if (!page.evidence.depends_on_batch[found.place]) return "";
  const only = profile.one_at_a_time ? "" : " This holds for every variant within the limits.";
  return ` Its predictions depend on the other texts in the batch.${only}`;
};

const explain = (page, found) => {
  const rows = page.measurements;
  if (found.place === null) {
    const names = found.hopeless.map((name) => name.replaceAll("_", " ").replace(/^(max|min) | (ms|mb)$/g, ""));
    const which = names.length ? `No variant in this profile is within the limit on ${names.join(" or ")}.` : "Each limit is met by some variant, but no variant meets all of them.";
    return `${which} Relax a limit.`;
  }
  if (rows.length === 1) return `It is the only variant, and within every limit.${unsteadyPick(page, found)}`;
  const unsteady = found.fitting.length - found.eligible.length;
  const left = unsteady ? ` (${unsteady} of these batch-dependent)` : "";
  const counts = `${found.fitting.length} of ${plural(rows.length, "variant")} ${found.fitting.length === 1 ? "is" : "are"} within every limit${left}, and ${found.contenders.length} accurate enough.${unsteadyPick(page, found)}`;
  if (found.place === found.best) return `${counts} No other variant within the limits is more accurate.`;
  const best = rows[found.best];
  return `${counts} Compared with the most accurate of them, ${best.variant} (${percent(choiceOf(best).accuracy)}): ${page.evidence.differs[found.place][found.best]}.`;
};

const accuracies = (row) =>
  row.val ? `${percent(row.val.accuracy)} on val, ${percent(row.accuracy)} on test` : `${percent(row.accuracy)} on test`;

const explorer = async (page, chart) => {
  const form = document.getElementById("limits");
  const rows = page.measurements;
  let costs = new Map();
  const bounds = bubblesOf(page, costs).filter((each) => each.accuracy != null).flatMap(({ low, high }) => [low, high]);
  const ends = bounds.length ? [Math.min(...bounds), Math.max(...bounds)] : [0, 1];
  const ticks = decades(rows.map(AXES.mean.of));
  const signals = { ends, ticks, split: page.summary.chosen_on, title: AXES.mean.title }; // the layout leaves room for these
  const view = await draw("bubbles", chart, { rows: bubblesOf(page, costs) }, signals);

  const read = () => {
    const wanted = { profile: form.elements.profile.value, percentile: form.elements.percentile.value, max_accuracy_loss: null };
    for (const [name, slider] of Object.entries(SLIDERS)) {
      const input = form.elements[name];
      wanted[name] = valueAt(name, Number(input.value), rows, wanted);
      const words = wanted[name] == null ? "any" : `${slider.open === "max" ? "≤" : "≥"} ${slider.write(wanted[name])}`;
      document.getElementById(`${name}-value`).textContent = words;
      input.setAttribute("aria-valuetext", words);
    }
    return wanted;
  };

  const update = () => {
    const wanted = read();
    const found = pick(page, wanted);
    const row = found.place === null ? null : rows[found.place];
    document.getElementById("live-pick").textContent = row ? row.variant : "no variant";
    document.getElementById("live-figures").textContent = row
      ? `${milliseconds(row.latency_ms.mean)} · ${accuracies(row)} · ${megabytes(row.size_mb)}`
      : "";
    document.getElementById("live-why").textContent = explain(page, found);
    const command = document.getElementById("live-command");
    command.textContent = recommendCommand(page, wanted);
    commandWords(command);
    for (const line of document.querySelectorAll("#variants tbody tr")) {
      line.classList.toggle("is-pick", line.dataset.variant === row?.variant);
    }
    const axis = form.elements.axis.value;
    const latency = axis === wanted.percentile ? wanted.max_latency_ms : null;
    const limit = { size: wanted.max_size_mb, memory: wanted.max_memory_mb }[axis] ?? latency;
    const bubbles = bubblesOf(page, costs);
    view
      .data("rows", bubbles)
      .data("front", front(bubbles.map((each) => ({ x: each[axis], accuracy: each.accuracy }))))
      .signal("ticks", decades(bubbles.map((each) => each[axis])))
      .signal("axis", axis)
      .signal("title", AXES[axis].title)
      .signal("limit", limit ?? null)
      .signal("floor", wanted.min_accuracy)
      .signal("pick", row?.variant ?? null)
      .signal("kept", found.eligible.map((place) => rows[place].variant))
      .runAsync();
  };

  form.addEventListener("input", update);
  form.addEventListener("reset", () => setTimeout(update));
  document.addEventListener("costs", ({ detail }) => {
    costs = detail;
    update();
  });
  update();
};
