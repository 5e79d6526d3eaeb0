"""Where tokens come from; none of them is shown."""

from __future__ import annotations

import pytest

import labelkit as lk
from labelkit.errors import PlatformError
from labelkit.platforms.tokens import KEYRING_SERVICE, TOKEN_VARIABLE, find_token

URL = "https://labels.example.com"


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


@pytest.fixture
def keyring():
    """A real keyring whose backend keeps its secrets in this process."""
    package = pytest.importorskip("keyring", reason="keyring is not installed")
    from keyring.backend import KeyringBackend

    class InMemory(KeyringBackend):
        priority = 1
        locked = False

        def __init__(self):
            super().__init__()
            self.kept = {}

        def get_password(self, service, username):
            if self.locked:
                raise package.errors.KeyringLocked("locked")
            return self.kept.get((service, username))

        def set_password(self, service, username, password):
            self.kept[service, username] = password

        def delete_password(self, service, username):
            del self.kept[service, username]

    before = package.get_keyring()
    package.set_keyring(InMemory())
    yield package
    package.set_keyring(before)


def test_a_given_token_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, " from-environment\n")
    assert find_token(URL, "given") == "given"
    assert find_token(URL, None) == "from-environment"


def test_the_keyring_is_asked_by_address_when_the_environment_has_none(keyring, monkeypatch):
    keyring.set_password(KEYRING_SERVICE, URL, "from-keyring")
    assert find_token(URL, None) == "from-keyring"
    platform = lk.LabelStudio(f"{URL}/")
    assert platform._server.token == "from-keyring"
    assert "from-keyring" not in repr(platform) + repr(platform._server)
    with pytest.raises(PlatformError, match="keyring set labelkit https://other"):
        find_token("https://other.example.com", None)
    monkeypatch.setenv(TOKEN_VARIABLE, "from-environment")
    assert find_token(URL, None) == "from-environment"


def test_a_locked_keyring_is_as_good_as_an_empty_one(keyring):
    keyring.set_password(KEYRING_SERVICE, URL, "from-keyring")
    keyring.get_keyring().locked = True
    with pytest.raises(PlatformError, match=TOKEN_VARIABLE):
        find_token(URL, None)


@pytest.mark.parametrize("bad", ["two words", "line\nbreak", "schlüssel", "nul\x00"])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(bad):
    with pytest.raises(PlatformError, match="characters that no token has") as caught:
        find_token(URL, bad)
    assert bad not in str(caught.value)
