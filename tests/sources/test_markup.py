"""Answers that a store keeps as the HTML it showed, made into the Markdown that the model wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.sources.markup import markdown


@pytest.mark.parametrize(
    "shown,written",
    [
        ("<p>Una <strong>parte</strong> de un <em>todo</em>.</p>", "Una **parte** de un *todo*."),
        ("<p>Uno</p>\n<p>Dos<br />y medio</p>", "Uno\n\nDos\ny medio"),
        ("<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n<p>Fin</p>", "- a\n- b\n\nFin"),
        ("<ol><li>uno<ul><li>dentro</li></ul></li><li>dos</li></ol>", "1. uno\n   - dentro\n2. dos"),
        ("<ul>\n<li>\n<p>a</p>\n<p>aún a</p>\n</li>\n<li><p>b</p></li>\n</ul>", "- a\n   aún a\n- b"),
        ("<h2>Título</h2><p>Texto</p>", "## Título\n\nTexto"),
        ("<p>Con <code>a &lt; b</code></p>", "Con `a < b`"),
        ("<pre><code>si  a:\n    b\n</code></pre>", "```\nsi  a:\n    b\n```"),
        (
            "<table><thead><tr><th>x</th><th>y</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
            "| x | y |\n| --- | --- |\n| 1 | 2 |",
        ),
        ("<blockquote><p>Cita</p></blockquote>", "> Cita"),
        ('<p>Es <img src="f.png" alt="x^2" />.</p>', "Es x^2."),
        ("<p>Uno</p><hr><p>Dos</p>", "Uno\n\n---\n\nDos"),
        ("<p>Antes<script>malo()</script> y después</p>", "Antes y después"),
        ('<div class="text_to_html">Un <a href="http://x">enlace</a></div>', "Un enlace"),
    ],
)
def test_what_a_renderer_drew_is_what_the_model_wrote(shown: str, written: str) -> None:
    assert markdown(shown) == written


@pytest.mark.parametrize(
    "text", ["", "0 < a < 360", "Usa la etiqueta <p> para un párrafo.", "  línea\n\n\n\notra  "]
)
def test_text_that_is_no_page_stays_as_it_is(text: str) -> None:
    assert markdown(text) == text


@given(st.text(alphabet="<>/puliolh1 ab\n&;=\"'!-"))
def test_broken_markup_never_raises(text: str) -> None:
    markdown("<p>" + text)
