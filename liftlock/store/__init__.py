"""The content-addressed store: blobs by their SHA-256, and trees (models, bundles) by their listing's."""

from liftlock.store.blobs import BlobStore, CorruptBlob, MissingBlob
from liftlock.store.directory import DirectoryStore
from liftlock.store.location import open_store
from liftlock.store.tree import TreeFile, fetch_tree, list_tree, put_tree, read_tree

__all__ = [
    "BlobStore",
    "CorruptBlob",
    "DirectoryStore",
    "MissingBlob",
    "TreeFile",
    "fetch_tree",
    "list_tree",
    "open_store",
    "put_tree",
    "read_tree",
]
