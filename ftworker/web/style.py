"""The page's style sheet: one column on a phone, columns on a wide screen, light or dark as the reader likes.

A constant, because the page's Content-Security-Policy allows exactly this text by its hash. Colours keep a
contrast of at least 4.5 to 1 in both schemes, and no meaning hangs on colour alone.
"""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --card: #ffffff; --ink: #1b1f27; --quiet: #565e6c; --line: #dcdfe5; --track: #e3e6eb;
  --accent: #2257bf; --good: #1b6b3a; --going: #2257bf; --waits: #8a4b00; --bad: #b3261e; --over: #565e6c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14161a; --card: #1d2026; --ink: #e8eaee; --quiet: #a3abb8; --line: #32363f; --track: #343944;
    --accent: #8ab1ff; --good: #7bd49a; --going: #8ab1ff; --waits: #f0b35e; --bad: #ff9d94; --over: #a3abb8;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.25rem clamp(0.75rem, 3vw, 2rem) 2rem; max-width: 76rem;
  background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
h1 { margin: 0; font-size: 1.35rem; letter-spacing: -0.01em; }
h2 { margin: 0 0 0.6rem; font-size: 0.95rem; font-weight: 600; color: var(--quiet); }
h3 { margin: 0; font-size: 1.1rem; overflow-wrap: anywhere; }
p, ul, dl { margin: 0; }
a { color: var(--accent); }
header { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; align-items: center; margin-bottom: 1.25rem; }
.status { display: flex; align-items: center; gap: 0.5rem; font-weight: 600; }
.sign {
  display: inline-grid; place-items: center; width: 1.4rem; height: 1.4rem; border-radius: 50%;
  color: var(--card); font-size: 0.9rem; line-height: 1; background: var(--good);
}
.status.attention .sign { background: var(--waits); }
.status.down .sign { background: var(--bad); }
section { margin-bottom: 1.5rem; }
.columns section, article, .attention ul {
  background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; padding: 1rem 1.1rem;
}
.cards, .columns {
  display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr));
}
.columns section { margin: 0; }
.cards { align-items: start; }
.columns { grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); }
.attention ul {
  list-style: none; border-left: 0.3rem solid var(--waits);
  display: grid; gap: 0.7rem 2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr));
}
.attention strong { display: block; }
.attention li span, .quiet { color: var(--quiet); }
.quiet { overflow-wrap: anywhere; }
code { font: 0.92em/1 ui-monospace, "DejaVu Sans Mono", monospace; color: var(--ink); white-space: nowrap; }
article .quiet { margin-bottom: 0.9rem; font-size: 0.92rem; }
.bar { display: grid; grid-template-columns: auto 1fr; gap: 0.15rem 0.75rem; margin-bottom: 0.8rem; }
.bar .value { text-align: right; }
progress {
  grid-column: 1 / -1; width: 100%; height: 0.6rem; border: 0; border-radius: 0.3rem; overflow: hidden;
  appearance: none; background: var(--track); color: var(--accent);
}
progress::-webkit-progress-bar { background: var(--track); }
progress::-webkit-progress-value { background: var(--accent); }
progress::-moz-progress-bar { background: var(--accent); }
dl div { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; padding: 0.3rem 0; }
dl div + div, tbody tr { border-top: 1px solid var(--line); }
dt { color: var(--quiet); }
dd { margin: 0; text-align: right; margin-left: auto; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: 0.3rem 0; text-align: right; font-weight: 400; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
th + th, th + td, td + td { padding-left: 1rem; white-space: nowrap; }
thead th { color: var(--quiet); font-size: 0.92rem; }
.state::before {
  content: ""; display: inline-block; width: 0.6rem; height: 0.6rem; border-radius: 50%;
  margin-right: 0.5rem; background: var(--over);
}
.state.good::before { background: var(--good); }
.state.going::before { background: var(--going); }
.state.waits::before { background: var(--waits); }
.state.bad::before { background: var(--bad); }
footer {
  display: flex; flex-wrap: wrap; gap: 0.25rem 1.5rem; justify-content: space-between;
  color: var(--quiet); font-size: 0.92rem;
  border-top: 1px solid var(--line); padding-top: 0.8rem; margin-top: 1.5rem;
}
"""
