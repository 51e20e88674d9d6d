"""pgvector-python with SQLAlchemy."""
import numpy as np
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Index, Integer, create_engine, delete, func, select, update
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

import common


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "sa_items"
    id = mapped_column(Integer, primary_key=True)
    category = mapped_column(Integer)
    embedding = mapped_column(VECTOR(3))
    half = mapped_column(HALFVEC(3))


engine = create_engine(common.url("psycopg"))


def models():
    """models, queries, changes"""
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(Item(category=i % 3, embedding=np.array([i, i % 7, 1.5]), half=[i, 0, 1]) for i in range(100))
        session.commit()
        near = session.scalars(select(Item).order_by(Item.embedding.l2_distance([10.2, 3, 1.5])).limit(3)).all()
        assert [item.id for item in near] == [11, 12, 10], [item.id for item in near]
        assert common.numbers(near[0].embedding) == [10, 3, 1.5]
        near = session.scalars(select(Item.id).filter(Item.category == 2).order_by(Item.half.l2_distance([10.2, 0, 1])).limit(2)).all()
        assert near == [12, 9], near
        within = session.scalars(select(Item.id).filter(Item.embedding.l2_distance([10, 3, 1.5]) < 1.5).order_by(Item.id)).all()
        assert within == [10, 11, 12], within
        ip = session.scalars(select(Item.id).order_by(Item.embedding.max_inner_product([1, 0, 0])).limit(1)).all()
        assert ip == [100], ip
        average = session.scalar(select(func.avg(Item.embedding, type_=VECTOR(3))))
        assert abs(common.numbers(average)[0] - 49.5) < 1e-4, average
        session.execute(update(Item).where(Item.id == 1).values(embedding=[7, 7, 7]))
        session.execute(delete(Item).where(Item.id > 90))
        session.commit()
        assert session.scalars(select(Item.id).order_by(Item.embedding.cosine_distance([1, 1, 1])).limit(1)).one() == 1
    common.in_zvec("sa_items", "embedding", 90)


def indexes():
    """an index of pgvector's and one of ours, as the documentation declares them"""
    for method in ("hnsw", "zvec_hnsw"):
        index = Index(f"sa_{method}", Item.embedding, postgresql_using=method,
                      postgresql_with={"m": 16, "ef_construction": 64}, postgresql_ops={"embedding": "vector_l2_ops"})
        index.create(engine)
        plan = common.plan_of("SELECT id FROM sa_items ORDER BY embedding <-> '[1,2,3]' LIMIT 3")
        assert f"Index Scan using sa_{method}" in plan, plan
        with Session(engine) as session:
            near = session.scalars(select(Item.id).order_by(Item.embedding.l2_distance([10.2, 3, 1.5])).limit(3)).all()
            assert near == [11, 12, 10], near
        index.drop(engine)


common.run("pgvector-python with SQLAlchemy", models, indexes)
