// The roofline: two slopes where reading binds, two level roofs where arithmetic does, a dot for each variant.

const GIGA = 1e9;
const NOTICEABLY = 1.15;
const macs = (value) => `${digits(value / 1e6)} M`;
const gigamacs = (value) => `${digits(value)} GMAC/s`;

// A roof is two points in (MAC per byte, GMAC per second), its name, and where on it the name stands.
const roofsOf = (rates, [low, high]) => {
  const [fp32, int8] = [rates.fp32_macs_per_s / GIGA, rates.int8_macs_per_s / GIGA];
  const memory = rates.bytes_per_s / GIGA;
  const cache = Math.max(...rates.reads.map((read) => read.bytes_per_s)) / GIGA;
  const top = Math.max(fp32, int8);
  const slopes = [["memory", memory], ...(cache > NOTICEABLY * memory ? [["cache", cache]] : [])];
  const level = [["float32", fp32], ["int8", int8]];
  return [
    ...slopes.map(([name, rate]) => ({
      name, kind: "slope", words: `${name} ${digits(rate)} GB/s`,
      ends: [[low, low * rate], [top / rate, top]], at: [low, low * rate],
    })),
    ...level.map(([name, rate]) => ({
      name, kind: "level", words: `${name} ${gigamacs(rate)}`,
      ends: [[rate / Math.max(cache, memory), rate], [high, rate]], at: [high, rate],
    })),
  ];
};

const underRoofs = (page) => {
  const colour = colourOf(page);
  return page.measurements.filter((row) => row.roofline).map((row) => {
    const roof = row.roofline;
    const attained = roof.macs / row.latency_ms.mean / 1e6;
    return {
      variant: row.variant,
      colour: colour(row.variant),
      x: roof.macs / roof.bytes,
      y: attained,
      bound: roof.macs / roof.bound_ms / 1e6,
      words: `${row.variant}: ${gigamacs(attained)}, ${times(roof.times_bound)} its bound`,
      work: `${macs(roof.macs)} MACs, ${megabytes(roof.bytes / 1e6)}`,
      intensity: `${digits(roof.macs / roof.bytes)} MACs per byte`,
      attained: gigamacs(attained),
      "minimum time": `${milliseconds(roof.bound_ms)}, limited by ${roof.binds === "memory" ? "memory" : "arithmetic"}`,
      measured: `${milliseconds(row.latency_ms.mean)}, ${times(roof.times_bound)} the bound`,
    };
  });
};

const drawRoofline = (page, chart) => {
  const rows = underRoofs(page);
  const rates = page.summary.machine;
  if (!rates || !rows.length) return null;
  const across = rows.map((row) => row.x);
  // The level roofs are seen for a stretch beyond the last ridge.
  const ridge = Math.max(rates.int8_macs_per_s, rates.fp32_macs_per_s) / rates.bytes_per_s;
  const fastest = Math.max(...rates.reads.map((read) => read.bytes_per_s));
  const first = Math.min(rates.int8_macs_per_s, rates.fp32_macs_per_s) / fastest;
  const roofs = roofsOf(rates, [Math.min(first / 1.5, ...across.map((x) => x / 2)), 1.6 * Math.max(ridge, ...across)]);
  const points = roofs.flatMap(({ name, kind, ends }) => ends.map(([x, y]) => ({ name, kind, x, y })));
  const names = roofs.map(({ kind, words, at: [x, y] }) => ({ kind, words, x, y }));
  const up = [...rows.map((row) => row.y), ...points.map((point) => point.y)];
  return draw("roofline", chart, { rows, points, names }, { ticks: decades(points.map((point) => point.x)), rungs: decades(up) });
};
