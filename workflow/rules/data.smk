rule prepare_dataset:
    output:
        manifest=f"{DATA}/manifest.json",
        arrays=expand(
            "{data}/{split}_{kind}.npy",
            data=DATA,
            split=["train", "heldout"],
            kind=["images", "labels"],
        ),
    log:
        f"logs/{SCALE_NAME}/prepare_dataset.log",
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        data=subpath(output.manifest, parent=True),
        settings=section("dataset", "dataset_path", "resolution"),
        code=provenance.code_digest("data"),
    shell:
        "python -m an prepare --scale {params.scale} --data {params.data} &> {log}"
