rule train_classifier:
    input:
        rules.prepare_dataset.output,
    output:
        STUDY.classifier,
        STUDY.classifier_report,
    log:
        f"logs/{SCALE_NAME}/train_classifier.log",
    localrule: SMALL
    conda:
        "../../environment.yml"
    resources:
        **needs("train_classifier", SCALE)._asdict(),
    params:
        scale=SCALE_NAME,
        settings=json.dumps(SCALE.evaluation.classifier.model_dump()),
        code=code_digest("evaluation.classifier:train_classifier"),
    shell:
        "python -m an train-classifier --scale {params.scale:q} --gpus {resources.gpu:q} &> {log:q}"


rule extract_reference:
    input:
        rules.prepare_dataset.output,
        rules.train_classifier.output[0],
    output:
        STUDY.features,
        f"{STUDY.features}.json",
        STUDY.reference,
        *INCEPTION_FEATURES,
    log:
        f"logs/{SCALE_NAME}/extract_reference.log",
    localrule: SMALL
    conda:
        "../../environment.yml"
    resources:
        **needs("extract_reference", SCALE)._asdict(),
    params:
        scale=SCALE_NAME,
        settings=section(
            *("batch", "splits", "classifier", "extractor", "inception", "inception_weights", "inception_sha256"),
            of=SCALE.evaluation,
        ),
        code=code_digest("evaluation.reference:extract_reference"),
    shell:
        "python -m an reference --scale {params.scale:q} --gpus {resources.gpu:q} &> {log:q}"


rule evaluate_samples:
    input:
        rules.prepare_dataset.output,
        rules.train_classifier.output[0],
        rules.extract_reference.output,
        rules.train_gan.output,
        rules.generate_samples.output,
    output:
        RUN.metrics,
        RUN.classes,
    log:
        f"logs/{SCALE_NAME}/evaluate_samples/{{row}}-{{seed}}.log",
    wildcard_constraints:
        row=rows_of("generation"),
    group:
        MEASUREMENT
    conda:
        "../../environment.yml"
    resources:
        **needs("evaluate_samples", SCALE)._asdict(),
    params:
        scale=SCALE_NAME,
        settings=section("evaluation"),
        code=code_digest("evaluation.generation:evaluate_row"),
    shell:
        "python -m an evaluate-row --row {wildcards.row:q} --scale {params.scale:q} --seed {wildcards.seed:q}"
        " --gpus {resources.gpu:q} &> {log:q}"


INTRA_SETTINGS = ("intra_samples", "batch", "classifier", "extractor", "inception_weights", "inception_sha256")


# The longest step after a training, and like it one that goes on where it was killed: on a cluster a job by itself.
rule evaluate_table2:
    input:
        rules.prepare_dataset.output,
        rules.train_classifier.output[0],
        rules.extract_reference.output,
        rules.train_gan.output,
    output:
        RUN.intra_table2,
    log:
        f"logs/{SCALE_NAME}/evaluate_table2/{{row}}-{{seed}}.log",
    wildcard_constraints:
        row=rows_of("generation"),
    retries: SCALE.retries or None
    group:
        WITH_TRAINING
    conda:
        "../../environment.yml"
    resources:
        **needs("evaluate_table2", SCALE)._asdict(),
    params:
        scale=SCALE_NAME,
        only="--table2",
        settings=section(*INTRA_SETTINGS, "table2_classes", of=SCALE.evaluation),
        code=code_digest("evaluation.intra:evaluate_classes"),
    shell:
        "python -m an evaluate-classes --row {wildcards.row:q} --scale {params.scale:q} --seed {wildcards.seed:q}"
        " {params.only:q} --gpus {resources.gpu:q} &> {log:q}"


use rule evaluate_table2 as evaluate_classes with:
    input:
        rules.prepare_dataset.output,
        rules.train_classifier.output[0],
        rules.extract_reference.output,
        rules.train_gan.output,
        table2_classes_of,
    output:
        RUN.intra,
    log:
        f"logs/{SCALE_NAME}/evaluate_classes/{{row}}-{{seed}}.log",
    resources:
        **needs("evaluate_classes", SCALE)._asdict(),
    params:
        only=[],
        settings=section(*INTRA_SETTINGS, of=SCALE.evaluation),


rule look_at_regions:
    input:
        rules.train_gan.output,
    output:
        RUN.regions,
        RUN.layouts,
    log:
        f"logs/{SCALE_NAME}/look_at_regions/{{row}}-{{seed}}.log",
    wildcard_constraints:
        row="|".join(LOOKED_AT),
    group:
        MEASUREMENT
    conda:
        "../../environment.yml"
    resources:
        **needs("look_at_regions", SCALE)._asdict(),
    params:
        scale=SCALE_NAME,
        settings=section("batch", "table2_classes", of=SCALE.evaluation),
        code=code_digest("evaluation.regions:look_at_regions"),
    shell:
        "python -m an regions --row {wildcards.row:q} --scale {params.scale:q} --seed {wildcards.seed:q}"
        " --gpus {resources.gpu:q} &> {log:q}"


rule evaluate_completions:
    input:
        rules.prepare_photographs.output,
        rules.train_inpainting.output,
        rules.complete_heldout.output,
    output:
        RUN.metrics,
    log:
        f"logs/{SCALE_NAME}/evaluate_completions/{{row}}-{{seed}}.log",
    wildcard_constraints:
        row=rows_of("inpainting"),
    group:
        MEASUREMENT
    conda:
        "../../environment.yml"
    resources:
        **needs("evaluate_completions", SCALE)._asdict(),
    params:
        scale=SCALE_NAME,
        code=code_digest("evaluation.inpainting:evaluate_completions"),
    shell:
        "python -m an evaluate-completions --row {wildcards.row:q} --scale {params.scale:q} --seed {wildcards.seed:q}"
        " &> {log:q}"


rule evaluate_controls:
    input:
        rules.prepare_photographs.output,
        [STUDY.controls / "{control}" / image for image in TEST_IMAGES],
    output:
        STUDY.control("{control}"),
    log:
        f"logs/{SCALE_NAME}/evaluate_controls/{{control}}.log",
    localrule: SMALL
    conda:
        "../../environment.yml"
    resources:
        **needs("evaluate_controls", SCALE)._asdict(),
    params:
        scale=SCALE_NAME,
        code=code_digest("evaluation.inpainting:evaluate_control"),
    shell:
        "python -m an evaluate-control --control {wildcards.control:q} --scale {params.scale:q} &> {log:q}"


rule evaluate_recall:
    input:
        rules.train_recall.output,
    output:
        RUN.metrics,
        RUN.example,
    log:
        f"logs/{SCALE_NAME}/evaluate_recall/{{row}}-{{seed}}.log",
    wildcard_constraints:
        row=rows_of("recall"),
    group:
        MEASUREMENT
    conda:
        "../../environment.yml"
    resources:
        **needs("evaluate_recall", SCALE)._asdict(),
    params:
        scale=SCALE_NAME,
        settings=json.dumps(SCALE.recall.test_images),
        code=code_digest("evaluation.recall:evaluate_recall"),
    shell:
        "python -m an evaluate-recall --row {wildcards.row:q} --scale {params.scale:q} --seed {wildcards.seed:q}"
        " --gpus {resources.gpu:q} &> {log:q}"
