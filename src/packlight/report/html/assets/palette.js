// A colour for each variant, and the buttons that choose whose curves stand out.

const COLOURS = 10;
const colourOf = (page) => {
  const places = new Map(page.measurements.map((row, place) => [row.variant, place]));
  return (variant) => (places.has(variant) ? `var(--v${places.get(variant) % COLOURS})` : "var(--line)");
};

// Buttons inside `fieldset`, one for each variant, all on; `changed` is called with the names that are.
const chooser = (fieldset, page, variants, changed) => {
  const on = new Set(variants);
  const colour = colourOf(page);
  for (const variant of variants) {
    const button = document.createElement("button");
    const dot = document.createElement("span");
    dot.className = "dot";
    dot.style.background = colour(variant);
    button.type = "button";
    button.className = "chip";
    button.append(dot, variant);
    button.setAttribute("aria-pressed", String(on.has(variant)));
    button.addEventListener("click", () => {
      if (!on.delete(variant)) on.add(variant);
      button.setAttribute("aria-pressed", String(on.has(variant)));
      changed([...on]);
    });
    fieldset.append(button);
  }
};
