"""llama-index-vector-stores-postgres."""
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterOperator, MetadataFilter, MetadataFilters, VectorStoreQuery, VectorStoreQueryMode)
from llama_index.vector_stores.postgres import PGVectorStore

import common


def nodes():
    for n in range(50):
        node = TextNode(id_=f"node-{n}", text=f"text number {n}", metadata={"kind": "even" if n % 2 == 0 else "odd", "n": n},
                        embedding=[float(n), float(n % 7), 1.5])
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=f"doc-{n % 5}")
        yield node


def use(table, **options):
    store = PGVectorStore.from_params(connection_string=common.url("psycopg2"), async_connection_string=common.url("asyncpg"),
                                      table_name=table, embed_dim=3, **options)
    store.add(list(nodes()))
    found = store.query(VectorStoreQuery(query_embedding=[10, 3, 1.5], similarity_top_k=3))
    assert found.ids[0] == "node-10" and abs(found.similarities[0] - 1) < 1e-5, found
    odd = MetadataFilters(filters=[MetadataFilter(key="kind", value="odd", operator=FilterOperator.EQ)])
    found = store.query(VectorStoreQuery(query_embedding=[10, 3, 1.5], similarity_top_k=5, filters=odd))
    assert len(found.nodes) == 5 and all(node.metadata["kind"] == "odd" for node in found.nodes), found
    store.delete("doc-0")
    found = store.query(VectorStoreQuery(query_embedding=[10, 3, 1.5], similarity_top_k=1))
    assert found.ids[0] != "node-10"
    store.delete_nodes(["node-11"])
    common.in_zvec(f"data_{table}", "embedding", 39)
    return store


def plain():
    """add, query, filter, delete"""
    use("li_plain").clear()


def hnsw():
    """with hnsw_kwargs; then an index of ours"""
    store = use("li_hnsw", hnsw_kwargs={"hnsw_m": 16, "hnsw_ef_construction": 64, "hnsw_ef_search": 40, "hnsw_dist_method": "vector_cosine_ops"})
    sql = "SELECT id FROM data_li_hnsw ORDER BY embedding <=> '[1,2,3]' LIMIT 3"
    assert "Index Scan using" in common.plan_of(sql)
    before = common.plan_of(sql)
    common.execute("CREATE INDEX li_zvec ON data_li_hnsw USING zvec_hnsw (embedding vector_cosine_ops)")
    common.execute("DROP INDEX " + before.split("using ")[1].split(" ")[0])
    assert "Index Scan using li_zvec" in common.plan_of(sql)
    found = store.query(VectorStoreQuery(query_embedding=[12, 5, 1.5], similarity_top_k=1))
    assert found.ids[0] == "node-12", found


def half():
    """use_halfvec, hybrid search"""
    store = use("li_half", use_halfvec=True, hybrid_search=True, text_search_config="english")
    found = store.query(VectorStoreQuery(query_embedding=[12, 5, 1.5], query_str="number 12", similarity_top_k=2, mode=VectorStoreQueryMode.HYBRID))
    assert "node-12" in found.ids, found


common.run("llama-index-vector-stores-postgres", plain, hnsw, half)
