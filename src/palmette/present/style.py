"""How a comparison's page looks: light and dark, narrow and wide, on paper."""

from __future__ import annotations

from typing import Final

#: every pair of a text and its ground has a contrast of at least 4.5 in both schemes
SHEET: Final = """
:root{color-scheme:light dark;--ground:#fff;--ink:#1c2026;--quiet:#59616d;--line:#d9dde3;--panel:#f5f6f8;
--good:#146c38;--bad:#b3261e;--same:#1a5aa8;--doubt:#7a5200;--good-ground:#e3f4e8;--bad-ground:#fbe6e4;
--same-ground:#e4eefb;--doubt-ground:#fbf0d9;--palmette-head:#1f6fc2;--palmette-baseline:#767d87;
--palmette-other:#b8650f}
@media (prefers-color-scheme:dark){:root{--ground:#16181c;--ink:#e4e6ea;--quiet:#a3abb6;--line:#363b44;
--panel:#1f2228;--good:#6fd08c;--bad:#ff8a80;--same:#85b8f5;--doubt:#e8bd62;--good-ground:#17301f;
--bad-ground:#3b1d1b;--same-ground:#172a42;--doubt-ground:#33270f;--palmette-head:#5aa5ee;
--palmette-baseline:#9aa1ab;--palmette-other:#e09a4a}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:1.5rem 1.25rem 3rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2.25rem 0 .6rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}
h3{font-size:.95rem;margin:1.2rem 0 .35rem;color:var(--quiet);font-weight:600}
p{margin:.4rem 0;max-width:70ch;overflow-wrap:anywhere}
ul{margin:.4rem 0;padding-left:1.2rem}
.quiet{color:var(--quiet)}
.outcome{display:inline-block;padding:.05em .55em;border-radius:.35em;border:1px solid currentColor}
.good{color:var(--good)}.bad{color:var(--bad)}.same{color:var(--same)}.doubt{color:var(--doubt)}
.outcome.good{background:var(--good-ground)}.outcome.bad{background:var(--bad-ground)}
.outcome.same{background:var(--same-ground)}.outcome.doubt{background:var(--doubt-ground)}
.sentence{font-size:1.08rem}
.scroll{overflow-x:auto;max-width:100%}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--palmette-head);outline-offset:2px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.32rem .9rem .32rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
thead th{color:var(--quiet);font-weight:600;font-size:.85rem;white-space:nowrap}
tbody th{font-weight:500}
td.number,th.number{text-align:right;white-space:nowrap}
td.fixed{white-space:nowrap}td.verdict{min-width:7.5rem}
code,pre{font:.88em/1.45 ui-monospace,monospace}
tbody th code{overflow-wrap:anywhere}
.was{color:var(--quiet)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}
.palmette-chart{max-width:100%;height:auto}
.bar{display:block;color:var(--ink)}
details{margin:.8rem 0}
summary{cursor:pointer;color:var(--same);width:fit-content}
pre{background:var(--panel);border:1px solid var(--line);border-radius:.35rem;padding:.7rem;margin:.5rem 0;
overflow-x:auto;tab-size:4}
pre span{display:block;min-height:1.45em;width:max-content;min-width:100%}
pre .plus{background:var(--good-ground)}pre .minus{background:var(--bad-ground)}pre .place{color:var(--quiet)}
footer{margin-top:2.5rem;color:var(--quiet);font-size:.85rem}
@media (max-width:640px){main{padding:1rem .8rem 2rem}h1{font-size:1.3rem}th,td{padding-right:.65rem}}
@media print{:root{color-scheme:light}body{font-size:11pt}main{max-width:none;padding:0}.scroll,pre{overflow:visible}
pre{white-space:pre-wrap}pre span{width:auto}h2,h3{break-after:avoid}tr,figure,.palmette-chart{break-inside:avoid}}
""".strip()
#: of a page with several comparisons, whose headings are a level lower and look the same
ARTICLES: Final = """
article{margin-top:3rem;padding-top:1.5rem;border-top:3px solid var(--line)}
article h2{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem;padding:0;border:0;overflow-wrap:anywhere}
article h3{font-size:1.15rem;margin:2.25rem 0 .6rem;padding-bottom:.3rem;border-bottom:1px solid var(--line);
color:inherit}
article h4{font-size:.95rem;margin:1.2rem 0 .35rem;color:var(--quiet);font-weight:600}
header li{overflow-wrap:anywhere}
@media (max-width:640px){article h2{font-size:1.3rem}}
@media print{article{break-before:page}article h3,article h4{break-after:avoid}}
""".rstrip()
