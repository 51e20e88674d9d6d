"""langchain-postgres: PGVectorStore, and PGVector of before."""
import logging

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_postgres import Column, PGEngine, PGVector, PGVectorStore
from langchain_postgres.v2.indexes import HNSWIndex

import common


# it warns that there is no collection yet which it could delete
logging.getLogger("langchain_postgres").setLevel(logging.ERROR)


class Letters(Embeddings):
    """A text's embedding: how often each letter is in it."""

    def embed_query(self, text):
        return [float(text.lower().count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"]

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]


TEXTS = ["banana", "apple pie", "zebra crossing", "bandana", "queue", "jazz band", "mississippi", "letter", "kayak", "ohm"]
DOCUMENTS = [Document(page_content=text, metadata={"length": len(text), "number": n}) for n, text in enumerate(TEXTS)]


def store():
    """PGVectorStore: add, search, filter, delete; both indexes"""
    engine = PGEngine.from_connection_string(url=common.url("psycopg"))
    engine.init_vectorstore_table(table_name="lc_store", vector_size=26, overwrite_existing=True,
                                  metadata_columns=[Column("length", "integer")])
    vs = PGVectorStore.create_sync(engine, embedding_service=Letters(), table_name="lc_store", metadata_columns=["length"])
    ids = vs.add_documents(DOCUMENTS)
    assert [d.page_content for d in vs.similarity_search("banana", k=2)] == ["banana", "bandana"]
    found = vs.similarity_search_with_score("bananas", k=1)
    assert found[0][0].page_content == "banana" and 0 < found[0][1] < 0.1, found
    assert [d.page_content for d in vs.similarity_search("apple", k=1, filter={"length": {"$gt": 8}})] == ["apple pie"]
    lengths = [d.metadata["length"] for d in vs.similarity_search("banana", k=9, filter={"length": {"$lt": 6}})]
    assert sorted(lengths) == [3, 5, 5], lengths
    assert len(vs.max_marginal_relevance_search("banana", k=3)) == 3
    for name, index in (("lc_hnsw", HNSWIndex(name="lc_hnsw")), ("lc_zvec", HNSWIndex(name="lc_zvec", index_type="zvec_hnsw"))):
        vs.apply_vector_index(index)
        plan = common.plan_of("SELECT content FROM lc_store ORDER BY embedding <=> '%s' LIMIT 2" % Letters().embed_query("banana"))
        assert f"Index Scan using {name}" in plan, plan
        assert [d.page_content for d in vs.similarity_search("banana", k=2)] == ["banana", "bandana"]
        vs.drop_vector_index(name)
    vs.delete([ids[0]])
    assert vs.similarity_search("banana", k=1)[0].page_content == "bandana"
    common.in_zvec("lc_store", "embedding", 9)


def before():
    """PGVector: add, search, filter, delete"""
    vs = PGVector(embeddings=Letters(), collection_name="letters", connection=common.url("psycopg"), use_jsonb=True,
                  pre_delete_collection=True, embedding_length=26)
    vs.add_documents(DOCUMENTS, ids=[str(n) for n in range(len(TEXTS))])
    assert [d.page_content for d in vs.similarity_search("banana", k=2)] == ["banana", "bandana"]
    found = vs.similarity_search("banana", k=9, filter={"length": {"$in": [3, 5]}})
    assert sorted(d.page_content for d in found) == ["kayak", "ohm", "queue"], found
    vs.add_documents([Document(page_content="bananas", metadata={"number": 0})], ids=["0"])
    assert vs.similarity_search("bananas", k=1)[0].page_content == "bananas"
    vs.delete(["0"])
    assert vs.similarity_search("bananas", k=1)[0].page_content == "bandana"
    common.in_zvec("langchain_pg_embedding", "embedding", 9)


common.run("langchain-postgres", store, before)
