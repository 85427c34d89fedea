rule train_classifier:
    input:
        manifest=rules.prepare_dataset.output.manifest,
        arrays=rules.prepare_dataset.output.arrays,
    output:
        weights=f"checkpoints/{SCALE_NAME}/classifier.pt",
        report=f"results/{SCALE_NAME}/classifier.json",
    log:
        f"logs/{SCALE_NAME}/train_classifier.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=ONE_GPU,
    params:
        scale=SCALE_NAME,
        data=subpath(input.manifest, parent=True),
        settings=json.dumps(SCALE.evaluation.classifier.model_dump()),
        code=code_digest("evaluation.classifier:train_classifier"),
    shell:
        "python -m an train-classifier --scale {params.scale:q} --data {params.data:q}"
        " --checkpoint {output.weights:q} --report {output.report:q} --gpus {resources.gpu:q} &> {log:q}"


rule extract_reference:
    input:
        manifest=rules.prepare_dataset.output.manifest,
        arrays=rules.prepare_dataset.output.arrays,
        classifier=rules.train_classifier.output.weights,
    output:
        features=f"data/reference/{SCALE_NAME}/train_features.npy",
        source=f"data/reference/{SCALE_NAME}/train_features.npy.json",
        report=f"results/{SCALE_NAME}/reference.json",
    log:
        f"logs/{SCALE_NAME}/extract_reference.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=ONE_GPU,
    params:
        scale=SCALE_NAME,
        data=subpath(input.manifest, parent=True),
        settings=section(
            *("batch", "splits", "classifier", "extractor", "inception_weights", "inception_sha256"),
            of=SCALE.evaluation,
        ),
        code=code_digest("evaluation.reference:extract_reference"),
    shell:
        "python -m an reference --scale {params.scale:q} --data {params.data:q} --classifier {input.classifier:q}"
        " --features {output.features:q} --report {output.report:q} --gpus {resources.gpu:q} &> {log:q}"


rule evaluate_samples:
    input:
        **AVERAGED_SAMPLES,
        manifest=rules.prepare_dataset.output.manifest,
        arrays=rules.prepare_dataset.output.arrays,
        classifier=rules.train_classifier.output.weights,
        features=rules.extract_reference.output.features,
        source=rules.extract_reference.output.source,
        generators=rules.train_gan.output.generators,
        training=rules.train_gan.output.report,
        samples=rules.generate_samples.output.samples,
        snapshots=rules.generate_samples.output.snapshots,
        images=rules.generate_samples.output.report,
    output:
        metrics=f"{RUN}/metrics.json",
        classes=f"{RUN}/classes.csv",
    log:
        f"logs/{SCALE_NAME}/evaluate_samples/{{row}}-{{seed}}.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=ONE_GPU,
    params:
        scale=SCALE_NAME,
        data=subpath(input.manifest, parent=True),
        checkpoints=lambda wildcards, input: os.path.dirname(input.generators[0]),
        averaged=lambda wildcards, input: averaged(wildcards, input),
        settings=section("evaluation"),
        code=code_digest("evaluation.generation:evaluate_row"),
    shell:
        "python -m an evaluate-row --row {wildcards.row:q} --scale {params.scale:q} --seed {wildcards.seed:q} --data {params.data:q}"
        " --classifier {input.classifier:q} --features {input.features:q} --checkpoints {params.checkpoints:q}"
        " --training {input.training:q} --samples {input.samples:q} --snapshots {input.snapshots:q} {params.averaged:q}"
        " --metrics {output.metrics:q} --classes {output.classes:q} --gpus {resources.gpu:q} &> {log:q}"
