from __future__ import annotations

import hashlib
import hmac

import polars as pl
import pytest

from labelkit.errors import RoundError
from labelkit.rounds.privacy import PrivacyRule, protect

SECRET = "0123456789abcdef"


@pytest.fixture(params=["polars", "pandas", "pyarrow"])
def items(request):
    frame = pl.DataFrame(
        {
            "item": [1, 2, 3],
            "mail": ["ann@example.com", "bob@example.com", "ann@example.com"],
            "seller": ["Ann", None, "Ann"],
            "zip": [1234, 1234, 99],
            "title": ["a", "b", "c"],
        }
    )
    if request.param == "polars":
        return frame
    return frame.to_pandas() if request.param == "pandas" else frame.to_arrow()


def test_dropped_columns_are_gone_and_hashed_ones_keep_only_which_are_equal(items):
    rule = PrivacyRule(drop=("mail",), hash=("seller", "zip"))
    seen = protect(items, rule, keys=["item"], secret=SECRET)
    assert seen.columns == ["item", "seller", "zip", "title"]
    assert seen["seller"].to_list()[0] == seen["seller"].to_list()[2]
    assert seen["seller"].to_list()[1] is None
    assert seen["zip"].n_unique() == 2
    assert seen["title"].to_list() == ["a", "b", "c"]
    text = str(seen.rows())
    assert "ann@example.com" not in text
    assert "Ann" not in text
    assert "1234" not in str(seen["zip"].to_list()).replace(seen["zip"][0], "")


def test_the_hash_is_hmac_sha256_of_column_and_value(items):
    seen = protect(items, PrivacyRule(hash=("seller",)), keys=["item"], secret=SECRET)
    expected = hmac.new(SECRET.encode(), b"seller\x00Ann", hashlib.sha256).hexdigest()[:16]
    assert seen["seller"][0] == expected


def test_another_key_or_another_column_gives_other_hashes(items):
    def hashes(column, secret=SECRET):
        return protect(items, PrivacyRule(hash=(column,)), keys=["item"], secret=secret)[column]

    assert hashes("seller")[0] != hashes("seller", "fedcba9876543210")[0]
    same = pl.DataFrame({"item": [1], "one": ["x"], "two": ["x"]})
    seen = protect(same, PrivacyRule(hash=("one", "two")), keys=["item"], secret=SECRET)
    assert seen["one"][0] != seen["two"][0]


@pytest.mark.parametrize(
    ("rule", "secret", "message"),
    [
        ({"drop": ("mial",)}, None, "drop 'mial', which is not shown .*misspelt"),
        ({"hash": ("selller",)}, SECRET, "hash 'selller', which is not shown"),
        ({"hash": ("item",)}, SECRET, "'item', a key column of the round"),
        ({"drop": ("item",)}, None, "'item', a key column of the round"),
        ({"hash": ("seller",)}, None, "LABELKIT_PRIVACY_KEY"),
        ({"hash": ("seller",)}, "short", "at least 16 characters"),
    ],
)
def test_a_rule_that_would_protect_nothing_is_refused(items, rule, secret, message):
    with pytest.raises(RoundError, match=message) as caught:
        protect(items, PrivacyRule(**rule), keys=["item"], secret=secret)
    assert "short" not in str(caught.value)


def test_a_column_cannot_be_dropped_and_hashed():
    with pytest.raises(RoundError, match="dropped and hashed"):
        PrivacyRule(drop=("a",), hash=("a",))
