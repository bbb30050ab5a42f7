"""Recipes: what is shipped loads, what is wrong is explained, the hash covers every setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdfq_export.errors import InputError
from gdfq_export.recipe import (
    DEFAULT_RECIPE,
    Bits,
    Budget,
    Data,
    FineTune,
    LargeImages,
    Recipe,
    Refinement,
    Tuning,
    list_recipes,
    load_recipe,
    recipe_sha256,
    recipe_to_yaml,
)

SHIPPED = [recipe.name for recipe in list_recipes()]


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def refusal(path: Path | str) -> str:
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_default_comes_first() -> None:
    assert SHIPPED[0] == DEFAULT_RECIPE == "w8a8-ort-cpu"
    assert "w8a8-finetuned-ort-cpu" in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_is_called_what_its_file_is_called(name: str) -> None:
    assert load_recipe(name).name == name


@pytest.mark.parametrize("name", SHIPPED)
def test_a_written_recipe_reads_back_as_the_same(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    path = write(tmp_path, recipe_to_yaml(recipe))
    assert load_recipe(path) == recipe
    assert load_recipe(str(path)) == recipe


def test_defaults_are_filled_in(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, "name: bare\n"))
    assert recipe == Recipe(name="bare")
    assert (recipe.bits.weights, recipe.data.method, recipe.tuning.finetune) == (8, "gdfq", None)


def test_finetune_is_asked_for_by_an_empty_mapping() -> None:
    assert load_recipe("w8a8-finetuned-ort-cpu").tuning.finetune is not None


def test_exponents_without_a_dot_are_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "name: x\ndata: {generator: {learning_rate: 1e-4}}\n")
    assert load_recipe(path).data.generator.learning_rate == 1e-4


def test_hash_changes_with_any_setting_and_only_then(tmp_path: Path) -> None:
    explicit = write(tmp_path, "name: x\nbits: {weights: 8}\n")
    assert recipe_sha256(load_recipe(explicit)) == recipe_sha256(Recipe(name="x"))
    changed = write(tmp_path, "name: x\ndata: {generator: {steps: 7}}\n")
    assert recipe_sha256(load_recipe(changed)) != recipe_sha256(Recipe(name="x"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "name: x\nbitz: {}\n",
            "unknown key bitz (did you mean bits?); accepted here: name, description, target, bits",
        ),
        (
            "name: x\ndata: {generatr: {}}\n",
            "unknown key data.generatr (did you mean generator?); accepted here: method, images",
        ),
        ("name: x\ntuning: {finetune: {stepz: 1}}\n", "unknown key tuning.finetune.stepz (did you mean steps?)"),
        ("name: x\nbits: {weights: 16}\n", "bits.weights is 16; give it an integer from 2 to 8"),
        ("name: x\nbits: {weights: eight}\n", "bits.weights is 'eight'; give it an integer from 2 to 8"),
        ("name: x\nbits: 8\n", "bits is 8; give it a mapping with keys among weights, activations"),
        (
            "name: x\ndata: {method: photos}\n",
            "data.method is 'photos'; give it one of gdfq, gdfq-refined, ",
        ),
        (
            "name: x\nlarge_images: {data: {refinement: {step: 1}}}\n",
            "unknown key large_images.data.refinement.step (did you mean steps?)",
        ),
        ("name: x\ntarget: tpu\n", "target is 'tpu'; give it one of ort-cpu"),
        (
            "name: x\ndata: {generator: {learning_rate: -1}}\n",
            "data.generator.learning_rate is -1; give it a number above 0 up to 1",
        ),
        (
            "name: x\ntuning: {bias_correction: perhaps}\n",
            "tuning.bias_correction is 'perhaps'; give it one of none, empirical, analytic",
        ),
        ("name: x\ntuning: {rounding: perhaps}\n", "tuning.rounding is 'perhaps'; give it true or false"),
        ("name: x\ntuning: {finetune: yes}\n", "tuning.finetune is True; give it a mapping with keys among steps"),
        ("name: x\ncalibration: {percentile: .nan}\n", "calibration.percentile is nan; give it a number"),
        (
            "name: x\nbits: {layers: {conv1: 8}}\n",
            "bits.layers.conv1 is 8; give it a mapping with keys among weights, activations",
        ),
        (
            "name: x\nbits: {layers: {conv1: {weight: 8}}}\n",
            "unknown key bits.layers.conv1.weight (did you mean weights?); accepted here: weights, activations",
        ),
        (
            "name: x\nbits: {layers: {conv1: {weights: 9}}}\n",
            "bits.layers.conv1.weights is 9; give it an integer from 2 to 8",
        ),
        ("name: x\nbits: {layers: {'*': }}\n", "bits.layers.* is None; give it a mapping with keys among weights"),
        (
            "name: x\nbits: {layers: [conv1]}\n",
            "bits.layers is ['conv1']; give it a mapping from names to mappings with keys among weights, activations",
        ),
        ("name: x\nbits: {layers: {1: {weights: 8}}}\n", "the name bits.layers.1 is not a text; put it in quotes"),
        ("name: x\nbits: {storage: int4}\n", "bits.storage is 'int4'; give it one of packed, native"),
        ("name: x\nbits: {blocks: 20}\n", "bits.blocks is 20; give it one of 16, 32, 64, 128, 256"),
        ("name: x\ncalibration: {outliers: 1}\n", "calibration.outliers is 1; give it a number above 1"),
        ("bits: {weights: 8}\n", "the key name is missing; give it a text"),
        ("name: x\nbits: {weights: 1, activations: 1}\n", "(and 1 more to fix)"),
        ("", "holds no keys"),
        ("- name\n", "holds no keys"),
        ("name: [x\n", "not valid YAML at line 2"),
    ],
)
def test_a_wrong_recipe_is_explained(text: str, said: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    message = refusal(path)
    assert message.startswith(f"recipe {path}: ")
    assert said in message


def test_an_unknown_name_lists_what_there_is() -> None:
    message = refusal("w8a8-ort-cp")
    assert "no recipe is named 'w8a8-ort-cp' (did you mean w8a8-ort-cpu?)" in message
    with pytest.raises(InputError, match=r"no recipe is named 'w4a8-ort' \(did you mean w4a8-ort-cpu\?\)"):
        load_recipe("w4a8-ort")
    assert all(name in message for name in SHIPPED)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "No such file" in refusal(str(tmp_path / "absent.yaml"))
    assert "it is a folder" in refusal(tmp_path)


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_bytes(b"\x08\xff\xfe\x00")
    assert "not a text file" in refusal(path)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_says_what_it_is(name: str) -> None:
    assert load_recipe(name).description


def test_what_a_recipe_says_about_large_images_is_followed(tmp_path: Path) -> None:
    text = """
    name: x
    calibration: {percentile: 99.0}
    large_images: {pixels: 100, data: {method: noise, images: 5}, calibration_images: 8, agreement_images: 3}
    """
    recipe = load_recipe(write(tmp_path, text))
    assert recipe.for_input((3, 9, 11)) == recipe
    large = recipe.for_input((3, 10, 10))
    assert (large.data.method, large.data.images) == ("noise", 5)
    assert (large.calibration.images, large.calibration.percentile, large.verify.agreement_images) == (8, 99.0, 3)


def test_the_recipe_that_is_used_can_be_saved_and_used_again(tmp_path: Path) -> None:
    large = Recipe(name="x").for_input((3, 224, 224))
    assert load_recipe(write(tmp_path, recipe_to_yaml(large))).for_input((3, 224, 224)) == large


def test_large_images_are_fine_tuned_where_the_recipe_says_so_in_smaller_batches() -> None:
    plain = Recipe(name="x", tuning=Tuning(finetune=FineTune(batch=48)), budget=Budget(finetune_steps=600))
    unasked = plain.for_input((3, 224, 224))
    assert unasked.tuning.finetune is None and unasked.budget.finetune_steps == 0
    recipe = plain.model_copy(update={"large_images": LargeImages(finetune_steps=150)})
    small, large = recipe.for_input((3, 32, 32)), recipe.for_input((3, 224, 224))
    assert small.tuning.finetune == FineTune(batch=48) and small.budget.finetune_batch == 64
    assert large.tuning.finetune == FineTune(batch=16) and large.budget.finetune_batch == 16


def test_large_images_are_printed_in_full() -> None:
    printed = recipe_to_yaml(Recipe(name="x")).split("large_images:")[1]
    assert all(f" {field}:" in printed for field in (*LargeImages.model_fields, *Refinement.model_fields))


def test_large_images_have_a_section_of_their_own() -> None:
    recipe = load_recipe(DEFAULT_RECIPE)
    large = recipe.large_images
    assert recipe.for_input((3, 127, 128)) is recipe
    used = recipe.for_input((3, 128, 128))
    assert used.data.method == "refined" and used.data.images == large.data.images
    assert used.calibration.images == large.calibration_images == 64
    assert used.verify.agreement_images == used.verify.parity_images == large.agreement_images
    assert used.bits == recipe.bits
    assert used.tuning == recipe.tuning.model_copy(update={"refit_ridge": None})
    assert used.for_input((3, 128, 128)) == used


@pytest.mark.parametrize(
    ("weights", "activations", "steps"),
    [(8, 8, 0), (4, 8, 40), (8, 6, 40), (4, 5, 40), (8, 4, 40), (4, 4, 40), (3, 3, 40)],
)
def test_refinement_of_large_images_goes_by_the_bits(weights: int, activations: int, steps: int) -> None:
    recipe = Recipe(name="x", bits=Bits(weights=weights, activations=activations))
    refinement = recipe.for_input((3, 224, 224)).data.refinement
    assert (refinement.coarse_steps, refinement.steps) == (0, steps)


def test_the_number_of_images_that_a_recipe_states_holds(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, "name: x\nlarge_images: {calibration_images: 16}\n"))
    assert recipe.for_input((3, 224, 224)).calibration.images == 16
    assert Recipe(name="x", bits=Bits(weights=4)).for_input((3, 224, 224)).calibration.images == 64


def test_a_recipe_that_asks_for_refinement_gets_it_at_8_bits_too(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, "name: x\nlarge_images: {data: {method: refined, refinement: {steps: 7}}}\n"))
    assert recipe.for_input((3, 224, 224)).data.refinement.steps == 7


@pytest.mark.parametrize("shape", [(40,), (2, 128), (1, 8, 16, 16)])
def test_inputs_that_are_no_pictures_have_no_generator(shape: tuple[int, ...]) -> None:
    assert Recipe(name="x").for_input(shape).data.method == "refined"
    noise = Recipe(name="x", data=Data(method="noise"))
    assert noise.for_input(shape) is noise


def test_what_was_asked_for_in_so_many_words_holds_for_large_images_too(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, "name: x\ndata: {method: noise}\ncalibration: {images: 8}\n"))
    used = recipe.for_input((3, 224, 224))
    assert used.data == recipe.data and used.calibration.images == 8


def test_ranges_of_matched_values_leave_out_their_tails() -> None:
    matched = load_recipe("w8a8-ort-cpu").for_input((3, 800, 608))
    assert matched.calibration.match_statistics and matched.calibration.activations == "minmax"
    narrowed = matched.for_matched_statistics().calibration
    assert (narrowed.activations, narrowed.percentile) == ("percentile", 99.999)
    small = load_recipe("w8a8-ort-cpu").for_input((3, 224, 224))
    assert small.for_matched_statistics() is small


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        ("keep_float: Softmax", "bits.keep_float is 'Softmax'; give it a list of texts"),
        ("keep_int16: [1]", "bits.keep_int16.0 is 1; give it a list of texts"),
        ("layers: {a: {activations: 9}}", "bits.layers.a.activations is 9; give it one of 2, 3, 4, 5, 6, 7, 8, 16"),
    ],
)
def test_what_is_kept_is_a_list_of_names(bits: str, message: str, tmp_path: Path) -> None:
    assert message in refusal(write(tmp_path, f"name: mine\nbits: {{{bits}}}\n"))


def test_names_of_the_command_line_add_to_those_of_the_recipe() -> None:
    recipe = Recipe(name="mine", bits=Bits(keep_float=("a",), keep_int16=("c",)))
    kept = recipe.keeping(["a", "b"], ["d"]).bits
    assert (kept.keep_float, kept.keep_int16) == (("a", "b"), ("c", "d"))
    assert recipe_sha256(recipe.keeping([], [])) == recipe_sha256(recipe) != recipe_sha256(recipe.keeping(["b"], []))
