"""The base of text, image and audio searchers: options, life cycle, added and removed items, search by embedding."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, TypeAlias

import numpy as np
from typing_extensions import Self

from .core.base_options import BaseOptions
from .engine_owner import EngineOwner
from .errors import ArgumentTypeError, InvalidArgumentError
from .opening import open_engine, open_shards, searchers_in
from .processor.options import EmbeddingOptions, SearchOptions
from .processor.relevance import relevant_only
from .processor.results import NearestNeighbor, SearchResult
from .search.allowed import Allowed, Name, allowed_items
from .search.compose import compose, embedded
from .search.engine import EMBEDDING, Engine
from .search.facts import Counts, Fact
from .search.lexical import CANDIDATES, fused, is_name
from .search.query import Part, Picture, Query, Sound
from .search.request import SearchRequest
from .search.where import Condition
from .search.where_parser import parsed

OFF, AUTO, ONLY = "off", "auto", "only"  # values of `lexical`
NAME = "name"  # the column of file names, which all differ; it is counted only if it is asked for
Where: TypeAlias = str | Condition


@dataclass
class SearcherOptions:
    """Options of a searcher.

    Attributes:
        base_options: The file and how to run it.
        embedding_options: How to post-process the embeddings of queries.
        search_options: How to report neighbours.
        shards: Paths of further searchers to search together with the first. They need the same towers.
    """

    base_options: BaseOptions
    embedding_options: EmbeddingOptions = field(default_factory=EmbeddingOptions)
    search_options: SearchOptions = field(default_factory=SearchOptions)
    shards: Sequence[str] = ()


class Searcher(EngineOwner[Engine]):
    """Base of `TextSearcher`, `ImageSearcher` and `AudioSearcher`; thread-safe, with one interpreter per thread."""

    options_type: ClassVar[type[SearcherOptions]] = SearcherOptions
    _noun = "searcher"

    @classmethod
    def create_from_file(cls, model_file_path: str, index_file_path: str | None = None, *, overlay: str | None = None) -> Self:
        """Opens a searcher with default options.

        Args:
            model_file_path: The searcher; or a folder of searchers that `maker index --shards` wrote, which are searched as one.
            index_file_path: The index, for a Task Library model without an index in it.
            overlay: A file that `save_overlay` wrote for this searcher.

        Raises:
            InvalidArgumentError: The file is not a TFLite model, it has no index, or the overlay belongs to another searcher.
            MissingFileError: A file does not exist.
            SearcherError: The file is damaged or of a newer format.
        """
        search_options = SearchOptions(index_file_name=index_file_path, overlay_file_name=None if overlay is None else os.fspath(overlay))
        return cls(cls.options_type(BaseOptions(model_file_path), search_options=search_options))

    @classmethod
    def create_from_files(cls, model_file_paths: Iterable[str]) -> Self:
        """Opens several searchers as one, with default options. For other options, use `SearcherOptions.shards`.

        A query is embedded once and searched in every file; the results are merged by distance. Ids continue from file to file.

        Args:
            model_file_paths: At least one file. All need the same towers, distance and options. A path stands for its one file, or for the
                searchers of a folder that `maker index --shards` wrote.

        Raises:
            InvalidArgumentError: There are no files, or they do not belong together. Other errors are those of `create_from_file`.
        """
        paths = [model_file_paths] if isinstance(model_file_paths, (str, os.PathLike)) else list(model_file_paths)
        if not paths:
            raise InvalidArgumentError("create_from_files takes at least one file, found none.")
        return cls(cls.options_type(BaseOptions(paths[0]), shards=[os.fspath(path) for path in paths[1:]]))

    @classmethod
    def create_from_options(cls, options: SearcherOptions) -> Self:
        """Opens a searcher. It raises the errors of `create_from_file`."""
        return cls(options)

    def __init__(self, options: SearcherOptions) -> None:
        """Opens the file in the options.

        Raises:
            InvalidArgumentError: An option or the model cannot be used.
            MissingFileError: A file does not exist.
            SearcherError: The file is damaged or of a newer format.
        """
        options.search_options.check()
        if options.embedding_options.quantize:
            raise InvalidArgumentError("Setting EmbeddingOptions.quantize = true is not allowed in searchers.")
        base, shards = options.base_options, options.shards
        if base.file_name is not None and base.file_content is None and os.path.isdir(base.file_name):
            first, *others = searchers_in(Path(base.file_name))
            base, shards = replace(base, file_name=first), [*others, *shards]
        if shards:
            engine: Engine = open_shards(base, shards, options.embedding_options, options.search_options)
        else:
            engine = open_engine(base, options.embedding_options, options.search_options)
        super().__init__(engine)
        self._options = options

    @property
    def options(self) -> SearcherOptions:
        """The options of the searcher."""
        return self._options

    def get_user_info(self) -> str:
        """The text that the builder stored in the file; empty if there is none.

        Bytes that are not UTF-8 become surrogates: `text.encode("utf-8", "surrogateescape")` restores them.
        """
        return self.engine.user_info

    @property
    def items(self) -> int:
        """The number of ids, which are the numbers below it. Added items count, and removed items still count."""
        return self.engine.items

    def get_metadata(self, item_id: int | Name) -> bytes:
        """The metadata of an item.

        Raises:
            InvalidArgumentError: The item does not exist or was removed.
        """
        return self.engine.item(self._existing(item_id))

    def get_embedding(self, item_id: int | Name) -> np.ndarray:
        """The embedding of an item as it is stored, `(d,)` float32. A `Query` takes it as a part.

        Raises:
            InvalidArgumentError: The item does not exist or was removed, or the file is an index for the Task Library.
        """
        return self.engine.embedding(self._existing(item_id))

    def find(self, metadata: Name) -> int:
        """The id of the item with this metadata, such as its file name.

        Args:
            metadata: All of the metadata; a str stands for its UTF-8.

        Raises:
            InvalidArgumentError: There is no such item, or several have the same metadata.
        """
        (item,) = self._find([metadata])
        return item

    def _find(self, names: Sequence[Name]) -> list[int]:
        """The id of each name, in their order."""
        try:
            wanted = [os.fsencode(name) for name in names]
        except UnicodeEncodeError as error:
            raise InvalidArgumentError(f"there is no item {error.object!r}: a name has no half surrogate pairs.") from error
        ids: dict[bytes, list[int]] = {}
        for number, content in self.engine.find(wanted).items():
            ids.setdefault(content, []).append(number)
        for name, content in zip(names, wanted, strict=True):
            if content not in ids:
                raise InvalidArgumentError(
                    f"there is no item {name!r}; find takes the whole metadata of an item, as get_metadata gives it."
                )
            if len(ids[content]) > 1:
                raise InvalidArgumentError(f"several items are {name!r}: {', '.join(map(str, ids[content][:5]))}; name one by its id.")
        return [ids[content][0] for content in wanted]

    def _existing(self, item_id: int | Name) -> int:
        if isinstance(item_id, (str, bytes)):
            return self.find(item_id)
        number = operator.index(item_id)
        if not self.engine.has(number):
            raise InvalidArgumentError(f"there is no item {number}; ids go from 0 to {self.engine.items - 1}, removed ones left out.")
        return number

    def add(
        self,
        item: Part,
        metadata: bytes | str,
        facts: Mapping[str, Fact | None] | None = None,
        captions: Iterable[str] = (),
    ) -> int:
        """Adds an item in memory; the file does not change. Searches in all threads find it at once.

        Args:
            item: A sentence, a `TensorImage` or a `TensorAudio`, which the towers of the file embed, or an embedding of these towers,
                `(d,)` float32.
            metadata: The metadata of the item; text is stored as UTF-8.
            facts: What is known about it, by column: a number, a str, a `datetime` or `date`, or several tags. A column that does not exist
                yet gets the type of its value; one of times takes an ISO date or time as a str, too.
            captions: Texts whose words are indexed, for files with a lexical index, beside those of metadata, facts and an item that is a
                sentence. The texts themselves are not kept.

        Returns:
            The id of the item. Ids continue after those of the file and are never reused.

        Raises:
            InvalidArgumentError: The file has no tower for the item, the embedding has another dimension or norm, a fact has another type
                than its column, or the searcher cannot be changed, because it is a Task Library index or has shards.
        """
        engine = self.engine
        if not isinstance(metadata, (str, bytes, bytearray)):
            raise ArgumentTypeError(f"metadata has to be a str or bytes, found {type(metadata).__name__}.")
        content = metadata.encode() if isinstance(metadata, str) else bytes(metadata)
        given = [captions] if isinstance(captions, str) else list(captions)
        if not all(isinstance(caption, str) for caption in given):
            raise ArgumentTypeError(f"captions have to be str, found {', '.join(sorted({type(caption).__name__ for caption in given}))}.")
        return engine.add(embedded(item, engine), content, facts, [*given, *([item] if isinstance(item, str) else [])])

    def remove(self, item_id: int | Name) -> None:
        """Hides an item of the file, or one that was added. Searches return the next nearest items instead.

        Args:
            item_id: The id that `add` returned, or `NearestNeighbor.id`; or the metadata of the item, as for `find`.

        Raises:
            InvalidArgumentError: The item does not exist, several have this metadata, or the searcher cannot be changed.
        """
        self.engine.remove(self.find(item_id) if isinstance(item_id, (str, bytes)) else operator.index(item_id))

    def save_overlay(self, path: str) -> None:
        """Writes the added and removed items to a file, atomically. `create_from_file(…, overlay=path)` opens it with the same searcher.

        `maker index --update` merges searcher and overlay into one file.

        Raises:
            InvalidArgumentError: The searcher cannot be changed.
        """
        self.engine.save_overlay(Path(path))

    def search_embedding(
        self,
        vector: np.ndarray,
        *,
        num_leaves_to_search: int | None = None,
        allowed: Allowed | None = None,
        where: Where | None = None,
    ) -> SearchResult:
        """Finds the items nearest to an embedding.

        Args:
            vector: An embedding of the same towers, `(d,)` float32. It is not normalised.
            num_leaves_to_search: Number of leaves to search, for on-device ScaNN indexes only; None takes the number in the file.
            allowed: As in `search`.
            where: As in `search`.

        Raises:
            InvalidArgumentError: The dimension is not d, a value is not finite, the number of leaves of the file is fixed, or `allowed` or
                `where` cannot be used.
            DamagedFileError: A part of the index that the query needs is damaged.
        """
        return self._search_vector(vector, self._request(num_leaves_to_search, allowed, where))

    def _search_query(self, query: Query, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to a query of one part or several."""
        engine, part = self.engine, query.only_part
        if isinstance(part, str):
            return self._relevant("text", engine.search_text(part, request))
        if isinstance(part, Picture):
            pixels = part.prepared(*engine.image_size(), engine.preparation)
            return self._relevant("image", engine.search_image(pixels, request))
        if isinstance(part, Sound):
            return self._relevant("audio", engine.search_audio(part.samples_for(engine.sound_format), request))
        return self._search_vector(compose(query, engine, engine.means), request)

    def _search_words(self, text: str, request: SearchRequest, mode: str) -> SearchResult:
        """Finds items by the words in their texts, alone (`only`) or together with their embeddings (`auto`)."""
        if mode not in (AUTO, ONLY):
            raise InvalidArgumentError(f"lexical has to be {AUTO!r}, {ONLY!r} or {OFF!r}, found {mode!r}.")
        engine = self.engine
        ids, scores, whole = engine.lexical.scores(text, request.allowed)
        vector = engine.embed_text(text)
        neighbors: dict[int, NearestNeighbor] = {}
        wide = replace(request, max_results=max(request.max_results, CANDIDATES))
        for asked in (replace(wide, allowed=np.sort(ids)), *([wide] if mode == AUTO and vector.any() else [])):
            neighbors |= {neighbor.id: neighbor for neighbor in engine.search_embedding(vector, asked, "text").nearest_neighbors}
        if not neighbors:
            return SearchResult([])
        by_words = dict(zip(ids.tolist(), scores.tolist(), strict=True))
        candidates = sorted(neighbors.values(), key=lambda neighbor: neighbor.id)
        word_scores = np.array([by_words.get(neighbor.id, 0.0) for neighbor in candidates])
        total = word_scores if mode == ONLY else fused(np.array([neighbor.distance for neighbor in candidates]), word_scores)
        names = {item for item in ids[whole].tolist() if is_name(engine.item(item), text)}
        order = sorted(range(len(candidates)), key=lambda place: (candidates[place].id not in names, -total[place]))
        result = SearchResult([candidates[place] for place in order[: request.max_results]])
        return self._relevant("text", result)

    def _search_vector(self, vector: np.ndarray, request: SearchRequest) -> SearchResult:
        return self._relevant(EMBEDDING, self.engine.search_embedding(vector, request))

    def similar(
        self, item_ids: int | Name | Iterable[int | Name], *, allowed: Allowed | None = None, where: Where | None = None
    ) -> SearchResult:
        """Finds more items like one, or like several together.

        Args:
            item_ids: The id or the metadata of an item, or several of them.
            allowed: As in `search`.
            where: As in `search`.

        Returns:
            At most `search_options.max_results` neighbours, by ascending distance; the items themselves are left out.

        Raises:
            InvalidArgumentError: There are no ids, an item does not exist or was removed, `allowed` or `where` cannot be used, or the file
                is an index for the Task Library.
        """
        ids = [self._existing(item) for item in ([item_ids] if isinstance(item_ids, (int, np.integer, str, bytes)) else item_ids)]
        if not ids:
            raise InvalidArgumentError("similar takes at least one id, found none.")
        query = Query(self.get_embedding(ids[0]))
        for item in ids[1:]:
            query += self.get_embedding(item)
        request = self._request(None, allowed, where)
        result = self._search_query(query, replace(request, max_results=request.max_results + len(ids)))
        others = [neighbor for neighbor in result.nearest_neighbors if neighbor.id not in ids]
        return SearchResult(others[: request.max_results])

    def facets(
        self, columns: Iterable[str] | None = None, *, where: Where | None = None, allowed: Allowed | SearchResult | None = None
    ) -> dict[str, Counts]:
        """Counts the values of facts.

        Args:
            columns: Columns, and parts of times such as `year(taken)`. None takes all columns of texts and tags but `name`, and the years
                of times.
            where: Count only items that meet this filter, as in `search`.
            allowed: Count only these items: what a query found (`SearchResult`), ids, or a boolean mask.

        Returns:
            By column, how many items have each value, the most frequent first. An item counts once for each of its tags; items of which
            nothing is known are not counted.

        Raises:
            InvalidArgumentError: There is no such column, or `where` or `allowed` cannot be used.
        """
        engine = self.engine
        facts = engine.facts
        if columns is None:
            names = [f"year({name})" if kind == "time" else name for name, kind in facts.types.items() if kind != "number" and name != NAME]
        else:
            names = [columns] if isinstance(columns, str) else list(columns)
        given = [neighbor.id for neighbor in allowed.nearest_neighbors] if isinstance(allowed, SearchResult) else allowed
        ids, chosen = engine.present(), self._chosen(given, where)
        if chosen is not None:
            ids = np.intersect1d(ids, chosen, assume_unique=True)
        return {name: facts.counts(name, ids) for name in names}

    def _request(self, num_leaves: int | None, allowed: Allowed | None, where: Where | None) -> SearchRequest:
        """The request to the engine, by the current options.

        Raises:
            InvalidArgumentError: `allowed` contains an unknown id, `where` cannot be used, one of them is combined with `num_leaves`, or an
                option cannot be used.
        """
        chosen = self._chosen(allowed, where)
        if chosen is not None and num_leaves is not None:
            raise InvalidArgumentError(
                "num_leaves_to_search and filters exclude each other: every item that allowed and where leave is scored, whatever its leaf."
            )
        self._options.search_options.check()
        return SearchRequest(max_results=self._options.search_options.max_results, num_leaves=num_leaves, allowed=chosen)

    def _chosen(self, allowed: Allowed | None, where: Where | None) -> np.ndarray | None:
        """The ids that both leave, ascending; None if neither is given."""
        engine = self.engine
        ids = None if allowed is None else allowed_items(self._ids(allowed), engine.items, engine.built_items)
        if where is None:
            return ids
        matching = engine.facts.matching(parsed(where))
        return matching if ids is None else np.intersect1d(ids, matching, assume_unique=True)

    def _ids(self, allowed: Allowed) -> Iterable[int] | np.ndarray:
        """The filter with ids in the place of metadata."""
        if isinstance(allowed, (np.ndarray, str, bytes)) or not isinstance(allowed, Iterable):
            return allowed  # type: ignore[return-value]  # refused by `allowed_items`
        given = list(allowed)
        names = [part for part in given if isinstance(part, (str, bytes))]
        found = iter(self._find(names)) if names else iter(())
        return [next(found) if isinstance(part, (str, bytes)) else part for part in given]

    def _relevant(self, kind: str, result: SearchResult) -> SearchResult:
        """Applies `min_relevance` to the result of a query of this kind."""
        return relevant_only(result, self._options.search_options.min_relevance, self.engine.relevance_curve(kind))
