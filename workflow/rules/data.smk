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
        dataset=SCALE.dataset,
        resolution=SCALE.resolution,
        path=option("path", SCALE.dataset_path),
        data=subpath(output.manifest, parent=True),
        code=code_digest("data.preparation:prepare"),
    shell:
        "python -m an prepare --dataset {params.dataset:q} --resolution {params.resolution:q} {params.path:q}"
        " --data {params.data:q} &> {log:q}"
