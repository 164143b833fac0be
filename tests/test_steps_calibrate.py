"""The decision rule: chosen as well as by trying everything, and the same wherever it is built in."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from scipy.special import log_softmax

from packlight.errors import ModelError
from packlight.models.hf_model import open_classifier
from packlight.steps.calibrate.fold import fold_into_graph, fold_into_model
from packlight.steps.calibrate.rule import PLATEAU, Rule, calibration_error, choose_rule
from packlight.steps.calibrate.scores import class_distance, compare_scores, margin
from packlight.steps.inference import logits_of

OOS = 3


@pytest.fixture(scope="module")
def validation():
    """Logits of 400 texts over 4 labels, of which the last means out of scope; a quarter are out of scope."""
    chooser = np.random.default_rng(5)
    truth = np.repeat(np.arange(4), 100)
    logits = chooser.normal(0, 1, (400, 4))
    logits[np.arange(400), truth] += np.where(truth == OOS, 0.5, 3.0)
    return 2.5 * logits, truth


def accuracy(logits, truth, weights):
    return float((weights * (logits.argmax(1) == truth)).sum() / weights.sum())


def test_a_threshold_separates_what_can_be_separated():
    inside = [[6.0, 0, 0, 5], [0, 7, 0, 6], [0, 0, 5, 4.5]]
    outside = [[2.0, 1, 0, 1], [1, 2.5, 0, 1.5], [0, 1, 1.8, 1]]
    logits, truth = np.array(inside + outside), np.array([0, 1, 2, OOS, OOS, OOS])
    assert (logits.argmax(1) == OOS).sum() == 0
    rule = choose_rule(logits, truth, OOS, weights=np.ones(6))
    assert (rule.apply(logits).argmax(1) == truth).all()


def test_no_shift_is_better_than_the_chosen_one(validation):
    logits, truth = validation
    weights = np.where(truth == OOS, 0.4, 1.0)
    rule = choose_rule(logits, truth, OOS, weights=weights)
    margins = np.sort(margin(logits, OOS, rule.slope))
    edges = [margins[0] - 1, *(margins[1:] + margins[:-1]) / 2, margins[-1] + 1]
    tried = [Rule(oos=OOS, slope=rule.slope, shift=float(edge)).apply(logits) for edge in edges]
    best = max(accuracy(each, truth, weights) for each in tried)
    assert best - PLATEAU <= accuracy(rule.apply(logits), truth, weights) <= best
    assert best > accuracy(logits, truth, weights) + 0.02


def test_of_an_unknown_rate_no_shift_has_a_better_worst_case(validation):
    logits, truth = validation

    def shares(shifted):
        said = shifted.argmax(1)
        return (said == OOS)[truth == OOS].mean(), (said == truth)[truth != OOS].mean()

    rule = choose_rule(logits, truth, OOS, weights=None)
    margins = np.sort(margin(logits, OOS, rule.slope))
    edges = [margins[0] - 1, *(margins[1:] + margins[:-1]) / 2, margins[-1] + 1]
    tried = [min(shares(Rule(oos=OOS, slope=rule.slope, shift=float(edge)).apply(logits))) for edge in edges]
    found, kept = shares(rule.apply(logits))
    assert max(tried) - PLATEAU <= min(found, kept) <= max(tried)
    assert abs(found - kept) < 0.02, "a shift either way costs one of the two"
    # Whatever the rate, the accuracy lies between the two; any other shift is worse at some rate.
    for rate in (0.01, 0.5, 0.99):
        weights = np.where(truth == OOS, rate / 100, (1 - rate) / 300)
        assert accuracy(rule.apply(logits), truth, weights) >= min(found, kept) - 1e-9
        stated = choose_rule(logits, truth, OOS, weights=weights)
        assert min(shares(stated.apply(logits))) <= min(found, kept) + 1e-9


def test_a_model_that_is_often_wrong_in_scope_wastes_no_recall_for_nothing():
    # 100 texts in scope with margins from 10 on, 40 of them wrong anyway; 50 out of scope with margins below 5.
    inside = [[10 + number / 100, 0, 0] for number in range(100)]
    outside = [[number / 10, 0, 0] for number in range(50)]
    logits, truth = np.array(inside + outside), np.array([0] * 60 + [1] * 40 + [2] * 50)
    said = choose_rule(logits, truth, 2, weights=None).apply(logits).argmax(1)
    assert (said == truth)[truth != 2].mean() == 0.6
    assert (said == 2)[truth == 2].mean() >= 0.98, "every shift that finds 0.6 or more has the same worst case"


def test_where_the_good_shifts_lie_apart_their_valley_is_not_taken():
    # Margins 0, 1, 2, 3 of texts out of, in, out of and in scope: shifts of 0.5 and 2.5 are right in 3 of 4.
    logits = np.array([[0.0, 0], [1, 0], [2, 0], [3, 0]])
    truth = np.array([1, 0, 1, 0])
    rule = choose_rule(logits, truth, 1, weights=np.ones(4))
    assert rule.slope == 0
    assert accuracy(rule.apply(logits), truth, np.ones(4)) == 0.75


def test_between_equal_margins_lies_no_threshold():
    logits = np.array([[1.0, 0], [1, 0], [1, 0], [4, 0]])
    rule = choose_rule(logits, np.array([1, 1, 0, 0]), 1, weights=np.ones(4))
    assert (rule.apply(logits).argmax(1) == [1, 1, 1, 0]).all()
    assert 1 < rule.shift < 4


def test_rarer_out_of_scope_texts_move_the_threshold_their_way(validation):
    logits, truth = validation
    recalls, shares = [], []
    for weight in (0.05, 1.0, 20.0):
        said = choose_rule(logits, truth, OOS, weights=np.where(truth == OOS, weight, 1.0)).apply(logits).argmax(1)
        recalls.append((said[truth == OOS] == OOS).mean())
        shares.append((said[truth != OOS] == truth[truth != OOS]).mean())
    assert recalls[0] < recalls[1] < recalls[2]
    assert shares[0] > shares[1] > shares[2]


def test_the_temperature_lowers_likelihood_loss_and_calibration_error(validation):
    logits, truth = validation
    rule = choose_rule(logits, truth, None, weights=np.ones(len(truth)))
    assert (rule.oos, rule.slope, rule.shift) == (None, 1, 0)
    assert rule.temperature > 1.2, "the logits above are overconfident"

    def loss(temperature):
        return -log_softmax(logits / temperature, axis=1)[np.arange(len(truth)), truth].mean()

    assert loss(rule.temperature) < loss(1) - 0.05
    assert loss(rule.temperature) <= min(loss(each) for each in np.geomspace(0.1, 10, 50)) + 1e-6
    assert calibration_error(rule.apply(logits), truth) < calibration_error(logits, truth) - 0.02
    assert (rule.apply(logits).argmax(1) == logits.argmax(1)).all()


def test_scores_are_compared_with_perfect_ones_and_blind_ones():
    logits = np.array([[5.0, 0, 0, 0], [0, 4, 0, 0], [1.0, 0, 0, 2], [0, 0.5, 0, 0]])
    truth = np.array([0, 1, OOS, OOS])
    found = compare_scores(logits, truth, OOS, extra={"blind": np.ones(4)})
    assert (found["largest logit"].auroc, found["largest logit"].fpr_at_95_recall) == (1, 0)
    assert (found["blind"].auroc, found["blind"].fpr_at_95_recall) == (0.5, 1)
    assert {"energy", "softmax", "margin 1"} <= found.keys()


def test_nearness_is_the_mahalanobis_distance_by_hand():
    train = np.array([[0.0, 0], [2, 0], [10, 1], [10, -1], [50, 50]])
    labels = [0, 0, 1, 1, OOS]
    features = np.array([[1.0, 3], [9, 0], [-4, -4]])
    covariance = np.array([[0.5, 0], [0, 0.5]])  # of (±1, 0) and (0, ±1); 0.9 of it and 0.1 of its mean variance are it
    wanted = []
    for point in features:
        steps = [point - np.array(mean) for mean in ([1.0, 0], [10, 0])]
        wanted.append(-min(step @ np.linalg.inv(covariance) @ step for step in steps))
    assert class_distance(features, train, labels, OOS) == pytest.approx(wanted)


def test_without_errors_a_model_is_not_made_surer(validation):
    logits, truth = validation
    perfect = logits[logits.argmax(1) == truth][:30]
    rule = choose_rule(perfect, perfect.argmax(1), None, weights=None)
    assert rule.temperature == pytest.approx(1.0, abs=1e-3)
    # With errors, a model that is too unsure is made surer.
    assert choose_rule(logits[:300] / 20, truth[:300], None, weights=None).temperature < 0.9


RULE = Rule(oos=2, slope=0.25, shift=1.5, temperature=1.7)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "mpnet"])
def test_built_into_a_model_it_says_what_the_rule_says(classifier_folder, tiny, family):
    model, texts = open_classifier(classifier_folder(family)), tiny.toy_texts()[0][:10]
    encoder = tiny.text_encoder(classifier_folder(family))
    before = logits_of(model, encoder, texts)
    fold_into_model(model, RULE)
    torch.testing.assert_close(logits_of(model, encoder, texts), torch.from_numpy(RULE.apply(before.numpy())))


def test_built_into_a_graph_it_says_what_the_rule_says(onnx_file, trained_folder, tiny):
    graph = onnx.load_model(onnx_file("bert"))
    tokens = tiny.text_encoder(trained_folder("bert"))(tiny.toy_texts()[0][:10])
    feed = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}

    def answers():
        onnx.checker.check_model(graph)
        session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(["logits"], feed)[0]

    before = answers()
    fold_into_graph(graph, RULE, 4)
    np.testing.assert_allclose(answers(), RULE.apply(before), atol=1e-5)
    # Calibrated again: both rules, and no more operators.
    nodes, second = len(graph.graph.node), Rule(oos=2, slope=0.5, shift=-3.0, temperature=0.8)
    fold_into_graph(graph, second, 4)
    np.testing.assert_allclose(answers(), second.apply(RULE.apply(before)), atol=1e-5)
    assert len(graph.graph.node) == nodes


def test_a_graph_whose_output_is_read_inside_too_stays_whole():
    nodes = [helper.make_node("Relu", ["x"], ["logits"]), helper.make_node("Neg", ["logits"], ["other"])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("x", "logits", "other")]
    model = helper.make_model(
        helper.make_graph(nodes, "g", values[:1], values[1:]), opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    )
    fold_into_graph(model, Rule(oos=1, slope=0.5, shift=1.0, temperature=2.0), 2)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits, other = session.run(["logits", "other"], {"x": np.array([[4.0, 2.0]], dtype=np.float32)})
    assert logits.tolist() == [[2, 1]]
    assert other.tolist() == [[-4, -2]]


def test_a_last_layer_without_a_bias_is_refused(classifier_folder):
    model = open_classifier(classifier_folder("bert"))
    model.classifier.bias = None
    with pytest.raises(ModelError, match="no bias"):
        fold_into_model(model, RULE)
