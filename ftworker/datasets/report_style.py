"""The report's style sheet: one column on a phone, columns on a wide screen, light or dark, and on paper.

Colours keep a contrast of at least 4.5 to 1 for text and 3 to 1 for what is drawn, in both schemes (a test computes
it); no meaning hangs on colour alone, for each plot has its numbers as a table.
"""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --card: #ffffff; --ink: #1b1f27; --quiet: #565e6c; --line: #dcdfe5; --track: #e9ecf1;
  --s0: #2f62c9; --s1: #b45309; --s2: #1b7a43; --s3: #8e3a8c; --s4: #0b7285; --s5: #b3261e; --s6: #6b7280;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14161a; --card: #1d2026; --ink: #e8eaee; --quiet: #a3abb8; --line: #32363f; --track: #2a2e36;
    --s0: #7ea6f8; --s1: #f0b35e; --s2: #7bd49a; --s3: #dd9be0; --s4: #5fcbd9; --s5: #ff9d94; --s6: #a3abb8;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem clamp(0.75rem, 3vw, 2rem) 2rem; max-width: 84rem;
  background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
h1 { margin: 0; font-size: 1.6rem; letter-spacing: -0.015em; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 0 0 0.8rem; font-size: 1.05rem; font-weight: 600; }
h3 { margin: 0; font-size: 0.95rem; font-weight: 600; }
p, dl, dd, figure { margin: 0; }
header { margin-bottom: 1.6rem; }
section { margin-bottom: 2rem; }
.quiet { color: var(--quiet); }
.hash { overflow-wrap: anywhere; font-size: 0.85rem; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 0.92em; }
.tiles { display: grid; gap: 0.8rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 10.5rem), 1fr)); }
.tiles > div, figure, .block {
  background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; padding: 0.9rem 1.1rem;
}
.tiles dt { color: var(--quiet); font-size: 0.88rem; overflow-wrap: anywhere; }
.tiles strong { display: block; font-size: 1.5rem; font-weight: 600; line-height: 1.3; letter-spacing: -0.01em; }
.tiles span { color: var(--quiet); font-size: 0.85rem; line-height: 1.35; display: block; }
.grid { columns: 3 22rem; column-gap: 0.8rem; }
.grid figure { break-inside: avoid; margin-bottom: 0.8rem; }
figcaption .quiet { font-size: 0.85rem; line-height: 1.4; margin: 0.15rem 0 0.9rem; }
svg { display: block; width: 100%; max-width: 34rem; height: auto; overflow: visible; }
svg text { font-size: 11.5px; fill: var(--ink); }
svg text.quiet { fill: var(--quiet); }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .mark { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 3 3; }
svg .label { paint-order: stroke; stroke: var(--card); stroke-width: 3px; stroke-linejoin: round; }
svg .beyond { opacity: 0.55; }
svg .track { fill: var(--track); }
svg .piece { stroke: var(--card); stroke-width: 1; }
.s0 { fill: var(--s0); } .s1 { fill: var(--s1); } .s2 { fill: var(--s2); } .s3 { fill: var(--s3); }
.s4 { fill: var(--s4); } .s5 { fill: var(--s5); } .s6 { fill: var(--s6); }
details { margin-top: 0.8rem; font-size: 0.88rem; }
summary { cursor: pointer; color: var(--quiet); width: fit-content; }
summary:focus-visible { outline: 2px solid var(--s0); outline-offset: 2px; border-radius: 0.2rem; }
.table { overflow-x: auto; }
details .table { margin-top: 0.5rem; max-height: 20rem; overflow: auto; }
table { width: 100%; border-collapse: collapse; font-size: 0.88rem; }
th, td { padding: 0.28rem 0; text-align: left; font-weight: 400; vertical-align: top; }
th + th, th + td, td + td { padding-left: 1rem; }
details td, details thead th + th { text-align: right; }
tbody tr { border-top: 1px solid var(--line); }
thead th { color: var(--quiet); }
.made { display: grid; gap: 0.8rem; align-items: start; grid-template-columns: minmax(0, 1fr); }
.block h3 { margin-bottom: 0.4rem; }
.block td { overflow-wrap: anywhere; white-space: pre-wrap; }
footer {
  display: flex; flex-wrap: wrap; gap: 0.25rem 1.5rem; justify-content: space-between;
  color: var(--quiet); font-size: 0.88rem; border-top: 1px solid var(--line); padding-top: 0.8rem;
}
@media print {
  body { max-width: none; padding: 0; background: none; }
  figure, .tiles > div { break-inside: avoid; }
  details { display: none; }
}
"""
