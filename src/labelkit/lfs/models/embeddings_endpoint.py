"""``EndpointEncoder``: embeddings from an OpenAI-compatible endpoint."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from labelkit.errors import EndpointError
from labelkit.lfs.models.endpoint import Endpoint, Failed, Filtered
from labelkit.lfs.models.limits import RateLimit

_CHARS_A_TOKEN = 3


@dataclass(frozen=True)
class EndpointEncoder:
    """Embeddings that a server makes (``/v1/embeddings``); keep them with `cached`.

    Parameters
    ----------
    endpoint : where; the key comes from the environment variable that it names
    model : as the endpoint calls it
    batch_size : texts in one call
    model_version : says apart what the endpoint calls by one name
    limit : requests and tokens a minute
    """

    endpoint: Endpoint
    model: str
    batch_size: int = 64
    model_version: str = ""
    limit: RateLimit = field(default_factory=RateLimit, repr=False, compare=False)

    @property
    def version(self) -> str:
        return f"{self.model} {self.model_version}".strip()

    def __call__(self, texts: list[str]) -> npt.NDArray[np.floating]:
        """(n, d) embeddings in the order of the texts."""
        parts = [
            self._part(texts[start : start + self.batch_size])
            for start in range(0, len(texts), self.batch_size)
        ]
        return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)

    def _part(self, texts: list[str]) -> npt.NDArray[np.floating]:
        body = self.endpoint.post(
            "/embeddings",
            {"model": self.model, "input": texts, "encoding_format": "float"},
            tokens=sum(map(len, texts)) // _CHARS_A_TOKEN + 1,
            limit=self.limit,
            stop=threading.Event(),
        )
        if isinstance(body, Failed | Filtered):
            reason = body.reason if isinstance(body, Failed) else "its content filter refused"
            raise EndpointError(f"{self.endpoint.url} gave no embeddings: {reason}.")
        data = body.get("data")
        try:
            vectors = {entry["index"]: entry["embedding"] for entry in data}  # type: ignore[attr-defined]
            return np.array([vectors[i] for i in range(len(texts))], dtype=np.float32)
        except (TypeError, KeyError, ValueError):
            raise EndpointError(
                f"{self.endpoint.url} did not give one embedding for each of {len(texts)} texts."
            ) from None
