/** A picture of terminal lines with the colours of their escape sequences (SGR), each character in its cell. */
export function svgOf(lines, columns) {
  const width = columns * cell.width + 2 * margin;
  const height = lines.length * cell.height + 2 * margin;
  const pen = {};
  const texts = lines.flatMap((line, row) =>
    runsOf(line, pen).map(({ text, at, style }) => {
      const y = margin + row * cell.height + cell.ascent;
      const place = `x="${round(margin + at * cell.width)}" y="${y}" textLength="${round([...text].length * cell.width)}"`;
      return `<text ${place}${style}>${escaped(text)}</text>`;
    }),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${round(width)} ${height}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" fill="#d4d4d4" xml:space="preserve">
<rect width="100%" height="100%" rx="6" fill="#1e1e1e"/>
${texts.join("\n")}
</svg>
`;
}

const cell = { width: 8.43, height: 18, ascent: 13 };
const margin = 12;
const colours = ["#808080", "#f14c4c", "#23d18b", "#e5c07b", "#61afef", "#d670d6", "#29b8db", "#e5e5e5"];

const esc = "\x1b[";
const sequences = new RegExp(`(${esc.replace("[", "\\[")}[\\d;]*m)`);

/** The stretches of a line that have one style, which goes on from line to line. Blanks need no text. */
function runsOf(line, pen) {
  const runs = [];
  let at = 0;
  for (const part of line.split(sequences)) {
    if (part.startsWith(esc)) {
      for (const code of part.slice(2, -1).split(";").map(Number)) turn(pen, code);
      continue;
    }
    for (const { 0: text, index } of part.matchAll(/\S+(?: \S+)*/g))
      runs.push({ text, at: at + [...part.slice(0, index)].length, style: styleOf(pen) });
    at += [...part].length;
  }
  return runs;
}

function turn(pen, code) {
  if (code === 0) Object.assign(pen, { colour: undefined, isBold: false, isDim: false });
  else if (code === 1) pen.isBold = true;
  else if (code === 2) pen.isDim = true;
  else if (code === 22) Object.assign(pen, { isBold: false, isDim: false });
  else if (code === 39) pen.colour = undefined;
  else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) pen.colour = colours[code % 10];
}

function styleOf({ colour, isBold, isDim }) {
  return `${colour ? ` fill="${colour}"` : ""}${isBold ? ' font-weight="bold"' : ""}${isDim ? ' opacity="0.6"' : ""}`;
}

function round(number) {
  return Math.round(number * 100) / 100;
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
