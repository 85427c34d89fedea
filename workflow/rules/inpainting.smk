INPAINTING_RUN = f"results/{SCALE_NAME}/{{inpainting_row}}/seed-{{seed}}"
INPAINTING_CHECKPOINTS = f"checkpoints/{SCALE_NAME}/{{inpainting_row}}/seed-{{seed}}"
COMPLETED = f"samples/{SCALE_NAME}/{{inpainting_row}}/seed-{{seed}}"
CONTROLS = f"samples/{SCALE_NAME}/controls"
TEST_IMAGES = [f"{number:03d}.png" for number in range(SCALE.inpainting.test_crops)]


rule prepare_photographs:
    output:
        manifest=f"{PHOTOGRAPHS}/manifest.json",
        arrays=expand(
            "{data}/{array}.npy",
            data=PHOTOGRAPHS,
            array=["train_pixels", "train_table", "heldout_images", "heldout_mask"],
        ),
    log:
        f"logs/{SCALE_NAME}/prepare_photographs.log",
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        data=subpath(output.manifest, parent=True),
        settings=inpainting_section("dataset", "dataset_path", "resolution", "test_crops"),
        code=provenance.code_digest("data"),
    shell:
        "python -m an prepare-photographs --scale {params.scale} --data {params.data} &> {log}"


rule train_inpainting:
    input:
        manifest=rules.prepare_photographs.output.manifest,
        arrays=rules.prepare_photographs.output.arrays,
    output:
        generator=f"{INPAINTING_CHECKPOINTS}/generator.pt",
        critics=f"{INPAINTING_CHECKPOINTS}/critics.pt",
        events=f"{INPAINTING_RUN}/events.jsonl",
        report=f"{INPAINTING_RUN}/training.json",
    log:
        f"logs/{SCALE_NAME}/train_inpainting/{{inpainting_row}}-{{seed}}.log",
    retries: SCALE.retries
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **RUNTIME,
        gpu=SCALE.gpus,
    params:
        scale=SCALE_NAME,
        data=subpath(input.manifest, parent=True),
        checkpoints=subpath(output.generator, parent=True),
        scratch=f"scratch/{SCALE_NAME}/{{inpainting_row}}/seed-{{seed}}",
        hours=HOURS,
        settings=inpainting_training,
        code=provenance.code_digest("layers", "models", "training", "data/crops.py", "data/masks.py"),
    shell:
        "python -m an train --row {wildcards.inpainting_row} --scale {params.scale} --seed {wildcards.seed}"
        " --data {params.data} --checkpoints {params.checkpoints} --events {output.events} --report {output.report}"
        " --scratch {params.scratch} --gpus {resources.gpu} {params.hours} &> {log}"


rule complete_heldout:
    input:
        manifest=rules.prepare_photographs.output.manifest,
        arrays=rules.prepare_photographs.output.arrays,
        generator=rules.train_inpainting.output.generator,
    output:
        expand("{folder}/{image}", folder=COMPLETED, image=TEST_IMAGES),
    log:
        f"logs/{SCALE_NAME}/complete_heldout/{{inpainting_row}}-{{seed}}.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=ONE_GPU,
    params:
        scale=SCALE_NAME,
        data=subpath(input.manifest, parent=True),
        folder=lambda wildcards, output: os.path.dirname(output[0]),
        code=provenance.code_digest("completion.py", "layers", "models"),
    shell:
        "python -m an complete-heldout --row {wildcards.inpainting_row} --scale {params.scale} --data {params.data}"
        " --checkpoint {input.generator} --folder {params.folder} --gpus {resources.gpu} &> {log}"


rule complete_controls:
    input:
        manifest=rules.prepare_photographs.output.manifest,
        arrays=rules.prepare_photographs.output.arrays,
    output:
        expand(
            "{folder}/{kind}/{image}",
            folder=CONTROLS,
            kind=["truth", "input", "mean-colour", "biharmonic"],
            image=TEST_IMAGES,
        ),
    log:
        f"logs/{SCALE_NAME}/complete_controls.log",
    conda:
        "../../environment.yml"
    params:
        data=subpath(input.manifest, parent=True),
        folder=lambda wildcards, output: os.path.dirname(os.path.dirname(output[0])),
        code=provenance.code_digest("completion.py", "evaluation/restoration.py"),
    shell:
        "python -m an complete-controls --data {params.data} --folder {params.folder} &> {log}"


rule evaluate_completions:
    input:
        manifest=rules.prepare_photographs.output.manifest,
        arrays=rules.prepare_photographs.output.arrays,
        generator=rules.train_inpainting.output.generator,
        training=rules.train_inpainting.output.report,
        completed=rules.complete_heldout.output,
    output:
        f"{INPAINTING_RUN}/metrics.json",
    log:
        f"logs/{SCALE_NAME}/evaluate_completions/{{inpainting_row}}-{{seed}}.log",
    conda:
        "../../environment.yml"
    params:
        data=subpath(input.manifest, parent=True),
        folder=lambda wildcards, input: os.path.dirname(input.completed[0]),
        code=provenance.code_digest("evaluation/completions.py", "evaluation/restoration.py"),
    shell:
        "python -m an evaluate-completions --row {wildcards.inpainting_row} --seed {wildcards.seed}"
        " --data {params.data} --folder {params.folder} --checkpoint {input.generator} --training {input.training}"
        " --metrics {output} &> {log}"


rule evaluate_controls:
    input:
        manifest=rules.prepare_photographs.output.manifest,
        arrays=rules.prepare_photographs.output.arrays,
        completed=expand("{folder}/{{control}}/{image}", folder=CONTROLS, image=TEST_IMAGES),
    output:
        f"results/{SCALE_NAME}/controls/{{control}}.json",
    log:
        f"logs/{SCALE_NAME}/evaluate_controls/{{control}}.log",
    conda:
        "../../environment.yml"
    params:
        data=subpath(input.manifest, parent=True),
        folder=lambda wildcards, input: os.path.dirname(input.completed[0]),
        code=provenance.code_digest("evaluation/completions.py", "evaluation/restoration.py"),
    shell:
        "python -m an evaluate-completions --row {wildcards.control} --data {params.data} --folder {params.folder}"
        " --metrics {output} &> {log}"
