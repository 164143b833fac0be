// How figures are written: the same words as packlight.figures, for what changes while the page is open.

const NONE = "–";

const digits = (value) => {
  const grouped = (number, places) =>
    number.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  if (Math.abs(value) >= 100) return grouped(value, 0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 0.1 ? 2 : 3);
};

const milliseconds = (value) => `${digits(value)} ms`;
const megabytes = (value) => (value >= 100 ? `${digits(value)} MB` : `${value.toFixed(1)} MB`);
const percent = (share) => (share == null ? NONE : `${(100 * share).toFixed(1)}%`);
const times = (ratio) => (ratio == null ? NONE : `${digits(ratio)}x`);
const dollars = (amount) => {
  if (amount >= 1000) return `$${digits(amount)}`;
  return amount >= 1 ? `$${amount.toFixed(2)}` : `$${amount.toFixed(3)}`;
};
const plural = (count, noun) => `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;

// A word as a POSIX shell takes it.
const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);
