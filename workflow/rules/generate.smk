rule generate_samples:
    input:
        manifest=rules.prepare_dataset.output.manifest,
        arrays=rules.prepare_dataset.output.arrays,
        generators=rules.train_gan.output.generators,
    output:
        **AVERAGED_SAMPLES,
        samples=f"samples/{SCALE_NAME}/{{row}}/seed-{{seed}}/samples.npy",
        snapshots=f"samples/{SCALE_NAME}/{{row}}/seed-{{seed}}/snapshots.npy",
        report=f"samples/{SCALE_NAME}/{{row}}/seed-{{seed}}/samples.npy.json",
    log:
        f"logs/{SCALE_NAME}/generate_samples/{{row}}-{{seed}}.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=ONE_GPU,
    params:
        scale=SCALE_NAME,
        data=subpath(input.manifest, parent=True),
        checkpoints=lambda wildcards, input: os.path.dirname(input.generators[0]),
        averaged=lambda wildcards, output: averaged(wildcards, output),
        settings=section("samples", "snapshot_samples", "batch", of=SCALE.evaluation),
        code=code_digest("data.loading:open_split", "sampling.generation:generate"),
    shell:
        "python -m an generate --row {wildcards.row:q} --scale {params.scale:q} --seed {wildcards.seed:q} --data {params.data:q}"
        " --checkpoints {params.checkpoints:q} --samples {output.samples:q} --snapshots {output.snapshots:q}"
        " {params.averaged:q} --gpus {resources.gpu:q} &> {log:q}"
