"""pgvector-python with Django."""
import django
from django.conf import settings

import common

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": common.DATABASE, "USER": common.USER,
                           "HOST": common.HOST, "PORT": common.PORT}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.db import connection, migrations, models  # noqa: E402
from django.db.models import Avg, Index  # noqa: E402
from pgvector.django import (  # noqa: E402
    CosineDistance, HalfVectorField, HnswIndex, L2Distance, MaxInnerProduct, VectorExtension, VectorField)


class Item(models.Model):
    category = models.IntegerField()
    embedding = VectorField(dimensions=3)
    half = HalfVectorField(dimensions=3)

    class Meta:
        app_label = "zvec"
        db_table = "dj_items"
        indexes = [HnswIndex(name="dj_hnsw", fields=["embedding"], m=16, ef_construction=64, opclasses=["vector_l2_ops"])]


class ZvecHnswIndex(HnswIndex):
    """The README's line: an index of ours."""
    suffix = "zvec_hnsw"


def migration():
    """VectorExtension and a model with an HnswIndex"""
    with connection.schema_editor() as editor:
        VectorExtension().database_forwards("zvec", editor, migrations.state.ProjectState(), migrations.state.ProjectState())
        editor.execute("DROP TABLE IF EXISTS dj_items")
        editor.create_model(Item)
    assert "Index Scan using dj_hnsw" in common.plan_of("SELECT id FROM dj_items ORDER BY embedding <-> '[1,2,3]' LIMIT 3")


def objects():
    """objects, queries, changes"""
    Item.objects.bulk_create(Item(category=i % 3, embedding=[i, i % 7, 1.5], half=[i, 0, 1]) for i in range(100))
    near = list(Item.objects.order_by(L2Distance("embedding", [10.2, 3, 1.5]))[:3])
    assert [item.category for item in near] == [1, 2, 0] and common.numbers(near[0].embedding) == [10, 3, 1.5], near
    near = list(Item.objects.filter(category=2).order_by(L2Distance("half", [10.2, 0, 1])).values_list("half", flat=True)[:2])
    assert [common.numbers(half)[0] for half in near] == [11, 8], near
    within = Item.objects.alias(distance=L2Distance("embedding", [10, 3, 1.5])).filter(distance__lt=1.5)
    assert within.count() == 3
    assert Item.objects.annotate(d=MaxInnerProduct("embedding", [1, 0, 0])).order_by("d").values_list("d", flat=True).first() == -99
    assert abs(common.numbers(Item.objects.aggregate(Avg("embedding"))["embedding__avg"])[0] - 49.5) < 1e-4
    item = Item.objects.first()
    item.embedding = [7, 7, 7]
    item.save()
    Item.objects.filter(category=1).delete()
    assert Item.objects.order_by(CosineDistance("embedding", [1, 1, 1])).first().pk == item.pk
    common.in_zvec("dj_items", "embedding", 67)


def ours():
    """an index of zvec_hnsw"""
    with connection.schema_editor() as editor:
        editor.remove_index(Item, Item._meta.indexes[0])
        editor.add_index(Item, ZvecHnswIndex(name="dj_zvec", fields=["embedding"], m=16, ef_construction=64, opclasses=["vector_l2_ops"]))
    assert "Index Scan using dj_zvec" in common.plan_of("SELECT id FROM dj_items ORDER BY embedding <-> '[1,2,3]' LIMIT 3")
    first = Item.objects.order_by(L2Distance("embedding", [11.2, 4, 1.5])).first()
    assert common.numbers(first.embedding) == [11, 4, 1.5]


common.run("pgvector-python with Django", migration, objects, ours)
