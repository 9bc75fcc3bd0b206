"""The catalogue of references: a directory of record, and the immutable view that is searched.

::

    DIR/manifest.json            the current generation: model, totals, segments with their removed rows
        manifest.previous.json   the one before, whose files are kept for readers that are still opening it
        files/<sha256>           immutable: the tables of each segment (`recognizer.catalogue.segment`)
        lock                     held by the one writer

Every file is named by the SHA-256 of its content and checked against it before it is parsed. A generation
becomes current when ``manifest.json`` is replaced in one step, after everything it names is on disk.
"""

from recognizer.catalogue.directory import Catalogue
from recognizer.catalogue.manifest import Manifest, manifest_files
from recognizer.catalogue.track import Track
from recognizer.catalogue.view import CatalogueView
from recognizer.catalogue.writer import CatalogueWriter

__all__ = ["Catalogue", "CatalogueView", "CatalogueWriter", "Manifest", "Track", "manifest_files"]
