"""What is asked of each model is what its documentation allows."""

import pytest

from videos import writing
from videos.capabilities import CLIP_MODELS, IMAGE_MODELS, ImageModel
from videos.model import Scene, Script

SCENE = Scene(title="Ebb", narration="It falls.", prompt="p" * 800, motion="m" * 400)
SCRIPT = Script(title="Tides", summary="The sea rises.", look="l" * 400)
STYLE = "s" * 200


@pytest.mark.parametrize("model", IMAGE_MODELS.values(), ids=lambda model: model.name)
def test_the_sizes_of_pictures_are_those_that_their_model_makes(model: ImageModel) -> None:
    sizes = {aspect: tuple(map(int, size.split("*"))) for aspect, size in model.sizes.items()}
    assert set(sizes) == {"16:9", "9:16", "1:1"}
    for aspect, (width, height) in sizes.items():
        across, down = map(int, aspect.split(":"))
        assert width / height == pytest.approx(across / down, rel=0.01)
        assert 360 <= min(width, height) <= max(width, height) <= 2_000  # what clips begin with
        if model.name.startswith("wan2.2"):
            assert 512 <= min(width, height) <= max(width, height) <= 1_440
        else:
            assert 1_280**2 <= width * height * 1.01 <= 1_440**2


def test_a_prompt_is_as_long_as_its_model_reads() -> None:
    lengths = {
        name: len(writing.picture_prompt(STYLE, SCRIPT, SCENE, model.prompt_length))
        for name, model in IMAGE_MODELS.items()
    } | {
        name: len(writing.clip_prompt(STYLE, SCRIPT, SCENE, model.prompt_length)) for name, model in CLIP_MODELS.items()
    }
    assert lengths == {
        "wan2.2-t2i-flash": 500,
        "wan2.5-t2i-preview": 800 + 400 + 200 + 2 * len(". "),
        "wan2.6-i2v": 1_500,
        "wan2.5-i2v-preview": 1_500,
        "wan2.2-i2v-plus": 800,
        "wan2.6-t2v": 1_500,
    }
