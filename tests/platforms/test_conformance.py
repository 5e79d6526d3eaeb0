"""Each platform, for real, under the suite that is public as ``labelkit.platforms.conformance``."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("labelkit.platforms.conformance")

from platform_hands import FileHands, PageHands, ServerHands, SheetHands  # noqa: E402

import labelkit as lk  # noqa: E402
from labelkit.platforms import OfflinePage  # noqa: E402
from labelkit.platforms.conformance import PlatformConformance  # noqa: E402


class TestExports(PlatformConformance):
    """Files, answered in Label Studio's export format."""

    @pytest.fixture
    def platform(self, tmp_path):
        return lk.FilesPlatform(tmp_path / "tasks")

    @pytest.fixture
    def hands(self, platform):
        return FileHands(platform)


class TestSheet(PlatformConformance):
    """Files, answered in the sheet."""

    @pytest.fixture
    def platform(self, tmp_path):
        return lk.FilesPlatform(tmp_path / "tasks")

    @pytest.fixture
    def hands(self, platform):
        return SheetHands(platform)


class TestOfflinePage(PlatformConformance):
    @pytest.fixture
    def platform(self, tmp_path):
        return OfflinePage(tmp_path / "tasks")

    @pytest.fixture
    def hands(self, platform):
        return PageHands(platform)


@pytest.mark.label_studio
@pytest.mark.xdist_group("label_studio")
class TestLabelStudio(PlatformConformance):
    @pytest.fixture
    def platform(self, label_studio_server):
        return lk.LabelStudio(label_studio_server.url, label_studio_server.token)

    @pytest.fixture
    def hands(self, platform):
        return ServerHands(platform)

    def test_a_guess_carries_its_model_and_its_probability(self, platform, spec, tasks, hands):
        project = platform.ensure_project(spec)
        platform.push(project, spec, tasks)
        (guess,) = hands.predictions(project)[tasks[1].key]
        assert (guess["model_version"], guess["score"]) == ("m1", 0.7)
