// How the page of a report looks: on a screen of any width, and on A4.
#pragma once

#include <string_view>

namespace pgtally::html {

inline constexpr std::string_view kStyle = R"(
:root{--ink:#101828;--soft:#475467;--line:#d0d5dd;--pale:#f6f7f9;--good:#067647;--bad:#b42318;--open:#93370d}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:#fff;color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.75rem 1.25rem 3rem}
h1,h2,h3,p,dl,figure{margin:0}
h1{font-size:1.9rem;line-height:1.2;letter-spacing:-.01em}
h2{font-size:1.15rem;margin:2.4rem 0 .7rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.2rem 0 .3rem}
p+p{margin-top:.5rem}
code,.mono{font:.875em/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;overflow-wrap:anywhere}
.soft{color:var(--soft)}
.kicker{color:var(--soft);font-size:.9rem;margin-bottom:.7rem;overflow-wrap:anywhere}
.verdict{border:1px solid;border-left-width:.6rem;border-radius:.4rem;padding:1.1rem 1.3rem}
.verdict p{margin-top:.5rem;color:var(--ink)}
.good{color:var(--good);background:#f0fbf5;border-color:var(--good)}
.bad{color:var(--bad);background:#fff4f2;border-color:var(--bad)}
.open{color:var(--open);background:#fffaeb;border-color:var(--open)}
.verdict .limit{font-weight:600}
.counts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.4rem,1fr));gap:.6rem;margin-top:1rem}
.counts div{border:1px solid var(--line);border-radius:.4rem;padding:.55rem .8rem}
.counts b{display:block;font-size:1.35rem;line-height:1.3;font-variant-numeric:tabular-nums}
.counts span{color:var(--soft);font-size:.85rem}
.kinds{display:flex;flex-wrap:wrap;gap:.35rem 1.1rem;margin-top:.8rem;font-size:.95rem}
.k{width:14px;height:14px;vertical-align:-2px;margin-right:.35rem;flex:none}
.facts{display:grid;grid-template-columns:12rem 1fr;gap:.35rem 1rem}
.facts dt{color:var(--soft)}
.facts dd{margin:0;overflow-wrap:anywhere}
figure{border:1px solid var(--line);border-radius:.4rem;padding:.6rem .4rem .8rem;break-inside:avoid}
.time{display:block;width:100%;overflow:visible;font-size:13px}
.time text{fill:var(--ink)}
.time .n{fill:var(--soft)}
.time .rail{stroke:var(--line)}
.time .sig line{stroke:#98a2b3;stroke-width:1.5}
.time .wit line{stroke:#175cd3;stroke-width:2}
.time tspan.sig{fill:#667085}
.time tspan.wit{fill:#175cd3}
.time .m{overflow:visible}
.axis{display:flex;justify-content:space-between;gap:.5rem;margin:0 1.5%;padding-top:.3rem;border-top:1px solid var(--ink);font-size:.8rem;color:var(--soft);font-variant-numeric:tabular-nums}
.axis span:nth-child(2){text-align:center}
.axis span:nth-child(3){text-align:right}
figcaption{margin:.6rem 1.5% 0;font-size:.85rem;color:var(--soft)}
table{width:100%;border-collapse:collapse;font-size:.93rem}
th,td{text-align:left;vertical-align:top;padding:.45rem .7rem .45rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{color:var(--soft);font-weight:600;font-size:.85rem;overflow-wrap:normal}
th:last-child,td:last-child{padding-right:0}
.result{min-width:6.5rem}
td.num,th.num{padding-right:1.2rem}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.note{display:block;color:var(--soft);font-size:.87rem}
.warn{color:var(--open)}
.finding{margin-top:.6rem;border:1px solid var(--line);border-radius:.4rem;padding:.7rem .9rem;break-inside:avoid}
.finding header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.1rem .9rem;margin-bottom:.35rem}
.finding .what{font-weight:700;overflow-wrap:anywhere}
.finding .where{color:var(--soft);font-size:.9rem}
.finding dl{display:grid;grid-template-columns:9rem 1fr;gap:.15rem 1rem;font-size:.93rem}
.finding dt{color:var(--soft)}
.finding dd{margin:0;overflow-wrap:anywhere;white-space:pre-wrap}
ul{margin:.3rem 0 0;padding-left:1.2rem}
li{margin:.2rem 0;overflow-wrap:anywhere}
pre{margin:.5rem 0;padding:.7rem .9rem;background:var(--pale);border:1px solid var(--line);border-radius:.4rem;white-space:pre-wrap;overflow-wrap:anywhere;font:.85rem/1.5 ui-monospace,Menlo,Consolas,"Liberation Mono",monospace}
@media (max-width:40rem){
main{padding:1rem .9rem 2rem}
h1{font-size:1.45rem}
.counts{grid-template-columns:repeat(auto-fit,minmax(8rem,1fr))}
.counts b{font-size:1.15rem}
.facts,.finding dl{grid-template-columns:1fr;gap:0}
.facts dd,.finding dd{margin-bottom:.45rem}
.axis span:nth-child(2){display:none}
table,tbody,tr,td{display:block}
thead{display:none}
tr{border:1px solid var(--line);border-radius:.4rem;padding:.4rem .8rem;margin-bottom:.6rem}
td,td.num{border:0;padding:.12rem 0;text-align:left}
.result{min-width:0}
td[data-t]::before{content:attr(data-t) ": ";color:var(--soft)}
}
@page{size:A4;margin:16mm 15mm}
@media print{
html{font-size:10pt}
body{font-size:1rem}
.counts{grid-template-columns:repeat(5,1fr)}
main{max-width:none;padding:0}
h2{margin-top:1.5rem}
h2,h3,h3+p{break-after:avoid}
tr,.counts div,.verdict{break-inside:avoid}
thead{display:table-header-group}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}
)";

}  // namespace pgtally::html
