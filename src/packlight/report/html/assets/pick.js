// The pick under a profile and limits: the rule of packlight.recommend over the evidence that it wrote into the page.
// Limits are null where nothing is asked. Every comparison of two rows was made in Python.

// What a choice is made by: a row's scores on validation, or its own on test where the run has no others; null for none.
const choiceOf = (row) => row.val ?? (row.accuracy == null ? null : row);

const LIMITS = {
  max_latency_ms: { option: "--max-latency-ms", keeps: (row, limit, wanted) => row.latency_ms[wanted.percentile] <= limit },
  min_accuracy: { option: "--min-accuracy", keeps: (row, limit) => choiceOf(row) == null || choiceOf(row).accuracy >= limit },
  max_size_mb: { option: "--max-size-mb", keeps: (row, limit) => row.size_mb <= limit },
  max_memory_mb: { option: "--max-memory-mb", keeps: (row, limit) => row.peak_memory_mb <= limit },
  min_throughput: { option: "--min-throughput", keeps: (row, limit) => row.throughput_batch32 >= limit },
};
const EPSILON = 1e-12;

// Of places in the rows, the one whose figures are least, compared in order; the first of equals.
const least = (places, figuresOf) =>
  places.reduce((best, place) => {
    if (best === null) return place;
    const [a, b] = [figuresOf(place), figuresOf(best)];
    const at = a.findIndex((figure, index) => figure !== b[index]);
    return at >= 0 && a[at] < b[at] ? place : best;
  }, null);

const mostAccurate = (rows, places) =>
  least(places.filter((place) => choiceOf(rows[place]) != null), (place) => [-choiceOf(rows[place]).accuracy, rows[place].latency_ms.mean]);

const cheapest = (page, places, profile) => {
  const row = (place) => page.measurements[place];
  if (profile === "edge") {
    return least(places, (place) => [row(place).peak_memory_mb, row(place).size_mb, row(place).latency_ms.mean]);
  }
  const fastest = least(places, (place) => [row(place).latency_ms.mean, row(place).size_mb]);
  const asFast = places.filter((place) => page.evidence.equally_fast[place][fastest]);
  return least(asFast, (place) => [row(place).size_mb, row(place).latency_ms.mean]);
};

// wanted: {profile, percentile, max_accuracy_loss, and the names of LIMITS}. Places are indices of rows.
const pick = (page, wanted) => {
  const rows = page.measurements;
  const profile = page.evidence.profiles.find((each) => each.name === wanted.profile);
  const loss = wanted.max_accuracy_loss ?? profile.allowed_loss;
  const candidates = [...rows.keys()].filter((place) => page.evidence.candidates[place]);
  const top = mostAccurate(rows, candidates);
  const loses = (place, best) => choiceOf(rows[best]).accuracy - choiceOf(rows[place]).accuracy > loss + EPSILON;
  const admitted = candidates.filter(
    (place) =>
      choiceOf(rows[place]) != null && profile.open_to[place] && !(profile.within_loss && loses(place, top)),
  );
  const asked = Object.entries(LIMITS).filter(([name]) => wanted[name] != null);
  const keeps = (place, [name, limit]) => limit.keeps(rows[place], wanted[name], wanted);
  const fitting = admitted.filter((place) => asked.every((limit) => keeps(place, limit)));
  // Where texts share batches, rows whose answers depend on the batch are out, unless nothing else is left.
  const steady = fitting.filter((place) => !page.evidence.depends_on_batch[place]);
  const eligible = profile.one_at_a_time || !steady.length ? fitting : steady;
  const best = mostAccurate(rows, eligible);
  const contenders = eligible.filter(
    (place) => profile.within_loss || !(loses(place, best) && page.evidence.worse[place][best]),
  );
  return {
    profile: wanted.profile,
    place: best === null ? null : cheapest(page, contenders, wanted.profile),
    best,
    fitting,
    eligible,
    contenders,
    hopeless: asked.filter((limit) => !admitted.some((place) => keeps(place, limit))).map(([name]) => name),
  };
};

const recommendCommand = (page, wanted) => {
  const words = ["packlight", "recommend", page.run, "--profile", wanted.profile];
  for (const [name, limit] of Object.entries(LIMITS)) {
    if (wanted[name] != null) words.push(limit.option, String(wanted[name]));
    if (name === "max_latency_ms" && wanted[name] != null) words.push("--percentile", wanted.percentile);
  }
  if (wanted.max_accuracy_loss != null) words.push("--max-accuracy-loss", String(wanted.max_accuracy_loss));
  return words.map(quoted).join(" ");
};
