"""The page at `/`: what this relay does and cannot do, in plain words."""

from __future__ import annotations

import base64
import hashlib
import html

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2321; --soft: #55605b; --paper: #fbfaf6; --line:
#d9d5c9;
  --accent: #2f6b4f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7e9e4; --soft: #a3ada6; --paper: #161a18; --line: #343b37; --accent: #86c9a4; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 42rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .75rem; letter-spacing: -.01em; }
h2 { font-size: 1.125rem; margin: 2.25rem 0 .5rem; color: var(--accent); }
p, ul, dl { margin: 0 0 .75rem; }
ul { padding-left: 1.25rem; }
li { margin: .3rem 0; }
.lead { font-size: 1.1875rem; color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.25rem;
  border-top: 1px solid var(--line); padding-top: 1rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font: .9375em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
footer { margin-top: 3rem; color: var(--soft); font-size: .9375rem; }
a { color: var(--accent); }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .6rem; }
}
"""

_BODY = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>A Folkmoot relay</title>
<style>%(style)s</style>
</head>
<body>
<main>
<h1>This is a Folkmoot relay</h1>
<p class="lead">It passes on meetings that it cannot see, hear or read, between people it does not
know.</p>

<h2>What it does</h2>
<ul>
<li>It takes small sealed parcels, all of one size, and hands every parcel to everyone in the same
room, the sender included, a hundred times a second and in shuffled order.</li>
<li>It limits how much one room or one connection may send, so that nobody can crowd out the
rest.</li>
<li>It carries sealed tunnels to other relays, and to nothing else, so that those do not see where
people connect from. Of these it knows the relay they go to, and no meeting.</li>
</ul>

<h2>What it cannot do</h2>
<ul>
<li>It cannot read, hear or see a meeting: only the machines of those in it have the keys.</li>
<li>It cannot tell who is in a room. Everybody in it shows the same key, and there are no accounts,
no names and no list of members.</li>
<li>It cannot let a person into a meeting, take one off its list, or mute one: that list is not
here. This program has no word for a person.</li>
<li>It cannot say who sent what, or which voice is speaking: silence looks the same as speech.</li>
</ul>

<h2>What it can do</h2>
<ul>
<li>It can stop, for everybody. A meeting that uses several relays goes on over the others.</li>
<li>It sees the network address that each connection comes from, as any server does. This program
never looks at it, writes it down or prints it; whoever runs the machine still could. Who knows
that an address is yours can cut you off from this relay. You keep your place in the meeting, and
come back by another way.</li>
<li>It sees how many connections a room has, and when.</li>
</ul>

<dl>
<dt>Key</dt><dd><code>%(pin)s</code></dd>
<dt>Protocol</dt><dd>version %(version)s</dd>
<dt>Program</dt><dd>folkmoot-relay %(release)s, free software</dd>
</dl>

<footer><p>There is nothing to join here: meetings are opened with the Folkmoot program on your own
machine. What programs can ask this relay is at <a
href="/.well-known/folkmoot">/.well-known/folkmoot</a>, and sums over all its rooms at <a
href="/metrics">/metrics</a>.</p></footer> </main> </body> </html>
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# Nothing from anywhere, no script at all, and exactly this style sheet.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


def render(pin: str, version: int, release: str) -> str:
    """The page as HTML."""
    values = {
        "style": _STYLE,
        "pin": html.escape(pin),
        "version": str(version),
        "release": html.escape(release),
    }
    return _BODY % values
