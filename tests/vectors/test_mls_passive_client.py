"""Every vector file whose name begins with `passive-client-`: joining and following along."""

from __future__ import annotations

from typing import Any

import pytest

from folkmoot import mls
from folkmoot.mls.key_package import unframe_key_package
from vectors import vectors

FILES = sorted(path.stem for path in vectors.folder("mls").glob("passive-client-*.json"))


def _bundle(case: dict[str, Any]) -> mls.KeyPackageBundle:
    framed = vectors.unhex(case["key_package"])
    bundle = mls.KeyPackageBundle(
        key_package=framed,
        ref=unframe_key_package(framed).ref(),
        init_private=vectors.unhex(case["init_priv"]),
        encryption_private=vectors.unhex(case["encryption_priv"]),
        signature_private=vectors.unhex(case["signature_priv"]),
    )
    bundle.check()
    return bundle


def _join(case: dict[str, Any]) -> mls.Group:
    tree = case["ratchet_tree"]
    return mls.Group.join(
        vectors.unhex(case["welcome"]),
        _bundle(case),
        ratchet_tree=None if tree is None else vectors.unhex(tree),
        psks={
            vectors.unhex(one["psk_id"]): vectors.unhex(one["psk"]) for one in case["external_psks"]
        },
    )


@pytest.mark.parametrize("name", FILES or ["passive-client-welcome"])
def test_passive_client(name: str) -> None:
    for index, case in vectors.cases(name):
        group = _join(case)
        assert group.epoch_authenticator.hex() == case["initial_epoch_authenticator"], index
        for epoch in case["epochs"]:
            for proposal in epoch["proposals"]:
                stored = group.receive(vectors.unhex(proposal))
                assert isinstance(stored, mls.StoredProposal)
            commit = vectors.unhex(epoch["commit"])
            # Staging changes nothing, so a saved group, and one that staged it before, agree.
            again = mls.Group.load(group.save()).stage(commit)
            assert again.group is not None
            group = group.stage(commit).merge()
            assert group.epoch_authenticator.hex() == epoch["epoch_authenticator"], index
            assert again.group.epoch_authenticator == group.epoch_authenticator, index


def test_the_official_files_are_there() -> None:
    vectors.load("passive-client-welcome")
    wanted = {"welcome", "handling-commit", "random"}
    assert {f"passive-client-{one}" for one in wanted} <= set(FILES)
