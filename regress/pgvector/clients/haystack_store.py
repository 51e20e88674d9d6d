"""haystack's pgvector integration."""
from haystack import Document
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils import Secret
from haystack_integrations.components.retrievers.pgvector import PgvectorEmbeddingRetriever, PgvectorKeywordRetriever
from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore

import common


def documents():
    return [Document(id=str(n), content=f"text number {n}", meta={"n": n, "kind": "even" if n % 2 == 0 else "odd"},
                     embedding=[float(n), float(n % 7), 1.5]) for n in range(50)]


def use(table, **options):
    store = PgvectorDocumentStore(connection_string=Secret.from_token(f"postgresql://{common.USER}@/{common.DATABASE}?host={common.HOST}&port={common.PORT}"),
                                  table_name=table, keyword_index_name=f"{table}_words", embedding_dimension=3, recreate_table=True, language="english", **options)
    assert store.write_documents(documents()) == 50
    assert store.count_documents() == 50
    near = PgvectorEmbeddingRetriever(document_store=store, top_k=3)
    found = near.run(query_embedding=[10, 3, 1.5])["documents"]
    assert found[0].id == "10" and len(found) == 3, found
    found = near.run(query_embedding=[10, 3, 1.5], filters={"field": "meta.kind", "operator": "==", "value": "odd"})["documents"]
    assert len(found) == 3 and all(d.meta["kind"] == "odd" for d in found), found
    assert store.write_documents([Document(id="10", content="changed", embedding=[99.0, 0.0, 0.0])], policy=DuplicatePolicy.OVERWRITE) == 1
    assert PgvectorKeywordRetriever(document_store=store).run(query="changed")["documents"][0].id == "10"
    store.delete_documents(["3", "4"])
    assert store.count_documents() == 48
    common.in_zvec(table, "embedding", 48)
    return near


def exact():
    """write, retrieve, filter, overwrite, delete"""
    for function in ("cosine_similarity", "inner_product", "l2_distance"):
        common.execute("DROP TABLE IF EXISTS hs_exact")
        store = PgvectorDocumentStore(connection_string=Secret.from_token(f"postgresql://{common.USER}@/{common.DATABASE}?host={common.HOST}&port={common.PORT}"),
                                      table_name="hs_exact", embedding_dimension=3, recreate_table=True, vector_function=function)
        store.write_documents(documents())
        found = PgvectorEmbeddingRetriever(document_store=store, top_k=1).run(query_embedding=[10, 3, 1.5])["documents"]
        assert found[0].id == ("48" if function == "inner_product" else "10"), (function, found)
    use("hs_cosine")


def halfvec():
    """halfvec"""
    use("hs_half", vector_type="halfvec")


def hnsw():
    """search_strategy hnsw; then an index of ours"""
    near = use("hs_hnsw", search_strategy="hnsw", hnsw_recreate_index_if_exists=True, hnsw_ef_search=100, hnsw_index_name="hs_index")
    sql = "SELECT id FROM hs_hnsw ORDER BY embedding <=> '[1,2,3]' LIMIT 3"
    assert "Index Scan using hs_index" in common.plan_of(sql)
    common.execute("DROP INDEX hs_index")
    common.execute("CREATE INDEX hs_index ON hs_hnsw USING zvec_hnsw (embedding vector_cosine_ops)")
    assert "Index Scan using hs_index" in common.plan_of(sql)
    assert near.run(query_embedding=[12, 5, 1.5])["documents"][0].id == "12"


common.run("pgvector-haystack", exact, halfvec, hnsw)
