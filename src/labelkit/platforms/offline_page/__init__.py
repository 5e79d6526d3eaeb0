"""A round as one HTML file, for one person without a network or a server.

What comes in: the tasks of a round. What goes out: ``label.html``, and the answers of the files
that it exports. What it must never do: let an item's text run as markup, ask the network for
anything, or count an answer twice.

``document`` fills ``page.html``, ``page.css`` and ``page.js`` into one file, ``answer_file`` reads
what the page exports, and ``platform`` is the ``AnnotationPlatform`` over both.
"""

from __future__ import annotations

from labelkit.platforms.offline_page.platform import OfflinePage

__all__ = ["OfflinePage"]
