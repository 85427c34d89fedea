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
        code=provenance.code_digest("evaluation/classifier.py", "data/loading.py"),
    shell:
        "python -m an train-classifier --scale {params.scale} --data {params.data}"
        " --checkpoint {output.weights} --report {output.report} --gpus {resources.gpu} &> {log}"


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
        settings=section("evaluation"),
        code=provenance.code_digest("evaluation"),
    shell:
        "python -m an reference --scale {params.scale} --data {params.data} --classifier {input.classifier}"
        " --features {output.features} --report {output.report} --gpus {resources.gpu} &> {log}"


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
        code=provenance.code_digest("evaluation"),
    shell:
        "python -m an evaluate-row --row {wildcards.row} --scale {params.scale} --seed {wildcards.seed} --data {params.data}"
        " --classifier {input.classifier} --features {input.features} --checkpoints {params.checkpoints}"
        " --training {input.training} --samples {input.samples} --snapshots {input.snapshots} {params.averaged}"
        " --metrics {output.metrics} --classes {output.classes} --gpus {resources.gpu} &> {log}"
