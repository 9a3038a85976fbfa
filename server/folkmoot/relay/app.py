"""The relay's HTTP side: a page for people, a few facts for programs, and the way into a link."""

from __future__ import annotations

from typing import cast

from fastapi import FastAPI, Response, WebSocket
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse

from folkmoot.relay import page
from folkmoot.relay.link import EXTENSION, Link
from folkmoot.relay.metrics import render
from folkmoot.relay.shell import Relay
from folkmoot.relay.tunnels import Tunnels
from folkmoot.wire.address import encode_pin
from folkmoot.wire.entry_messages import ENTRY_VERSION, entry_path
from folkmoot.wire.lanes import LANE_RULES
from folkmoot.wire.messages import VERSION, link_path

_HEADERS = {
    "Cache-Control": "no-store",
    "Connection": "close",
    "Content-Security-Policy": page.POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _facts(relay: Relay, tunnels: Tunnels, release: str) -> dict[str, object]:
    limits = relay.core.limits
    return {
        "program": "folkmoot-relay",
        "release": release,
        "versions": [VERSION],
        "link": link_path(),
        "entry_versions": [ENTRY_VERSION],
        "entry": entry_path(),
        "pin": encode_pin(relay.core.pin),
        "roles": ["room", "entry"],
        "tick_ms": round(relay.core.tick_s * 1000),
        "limits": {
            "links": limits.links,
            "rooms": limits.rooms,
            "rooms_per_link": limits.rooms_per_link,
            "links_per_room": limits.links_per_room,
            "tunnels": tunnels.limits.tunnels,
        },
        "lanes": {
            slot.name.lower(): {
                "slot": int(slot),
                "cell_bytes": rule.cell_bytes,
                "cells_per_s": rule.pace_per_s,
                "burst_cells": rule.burst_cells,
            }
            for slot, rule in LANE_RULES.items()
        },
    }


def make_app(relay: Relay, tunnels: Tunnels, release: str) -> FastAPI:
    """The application of one relay. There is no list of its rooms, and nothing that acts on one."""
    app = FastAPI(title="Folkmoot relay", openapi_url=None, docs_url=None, redoc_url=None)
    text = page.render(encode_pin(relay.core.pin), VERSION, release)
    facts = _facts(relay, tunnels, release)

    @app.get("/")
    async def home() -> Response:
        return HTMLResponse(text, headers=_HEADERS)

    @app.get("/.well-known/folkmoot")
    async def well_known() -> Response:
        return JSONResponse(facts, headers=_HEADERS)

    @app.get("/healthz")
    async def healthz() -> Response:
        if relay.core.leaving:
            return PlainTextResponse("leaving\n", status_code=503, headers=_HEADERS)
        return PlainTextResponse("ok\n", headers=_HEADERS)

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(
            render(*relay.sums(), *tunnels.sums()),
            media_type="text/plain; version=0.0.4; charset=utf-8",
            headers=_HEADERS,
        )

    @app.websocket("/link/{version}")
    async def link(websocket: WebSocket, version: str) -> None:
        await _carry(websocket, relay, version)

    @app.websocket("/entry/{version}")
    async def entry(websocket: WebSocket, version: str) -> None:
        await _carry(websocket, tunnels, version)

    return app


async def _carry(websocket: WebSocket, carrier: Relay | Tunnels, version: str) -> None:
    """Accepts the WebSocket, and hands it over until its end."""
    if not version.isascii() or not version.isdecimal() or len(version) > 3:
        await websocket.close()  # before it is accepted: HTTP 403
        return
    await websocket.accept()
    own = cast(Link, websocket.scope["extensions"][EXTENSION])
    own.attach(carrier, int(version))
    await own.finished.wait()
