rule render_quality_table:
    input:
        lambda wildcards: quality_results(int(wildcards.table)),
        STUDY.reference,
    output:
        multiext(str(STUDY.table("{table,1|2|4}")), *TABLE_FILES),
    log:
        f"logs/{SCALE_NAME}/render_table{{table}}.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        scale=REPORTED,
        rows=lambda wildcards: table_labels(int(wildcards.table)),
        published=PUBLISHED.model_dump_json(),
        settings=section("description", "caution", "dataset", "evaluation"),
        code=code_digest(
            "reporting.render:render", files=("reporting/page.html", "reporting/page.css", "reporting/page.js")
        ),
    shell:
        "python -m an table --table {wildcards.table:q} --scale {params.scale:q} &> {log:q}"


use rule render_quality_table as render_inpainting_table with:
    input:
        of_runs(RUN.metrics, "inpainting"),
        [STUDY.control(name) for name in CONTROL_ROWS],
    output:
        multiext(str(STUDY.table("{table,3}")), *TABLE_FILES),
    localrule: True
    params:
        settings=section("description", "caution") + section("dataset", "resolution", of=SCALE.inpainting),


use rule render_quality_table as render_timing_table with:
    input:
        STUDY.timing,
    output:
        multiext(str(STUDY.table("{table,5}")), *TABLE_FILES),
    localrule: True
    params:
        settings=section("description", "caution", "timing"),


use rule render_quality_table as render_recall_table with:
    input:
        of_runs(RUN.metrics, "recall"),
    output:
        multiext(str(STUDY.table("{table,6}")), *TABLE_FILES),
    localrule: True
    params:
        settings=section("description", "caution"),


rule draw_completions:
    input:
        rules.complete_controls.output,
        first_runs(rules.complete_heldout.output, "inpainting", ["ca", "an-inpainting"]),
    output:
        figures("9"),
    log:
        f"logs/{SCALE_NAME}/draw_completions.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        scale=REPORTED,
        figures=["9"],
        captions=captions("9"),
        code=code_digest("reporting.figures.draw:write", "reporting.figures.completions:figure9"),
    shell:
        "python -m an figure {params.figures:q} --scale {params.scale:q} &> {log:q}"


use rule draw_completions as draw_samples with:
    input:
        rules.prepare_dataset.output,
        first_runs([RUN.images, f"{RUN.images}.json"], "generation"),
    output:
        figures("1", "7"),
    log:
        f"logs/{SCALE_NAME}/draw_samples.log",
    localrule: True
    params:
        scale=REPORTED,
        figures=["1", "7"],
        captions=captions("1", "7"),
        rows=labels_of("generation"),
        settings=section("table2_classes", of=SCALE.evaluation),
        code=code_digest(
            "reporting.figures.draw:write", "reporting.figures.samples:figure1", "reporting.figures.samples:figure7"
        ),


use rule draw_completions as draw_regions with:
    input:
        first_runs([RUN.regions, RUN.layouts], "generation", LOOKED_AT),
    output:
        figures("4", "5", "8"),
    log:
        f"logs/{SCALE_NAME}/draw_regions.log",
    localrule: True
    params:
        scale=REPORTED,
        figures=["4", "5", "8"],
        captions=captions("4", "5", "8"),
        rows=labels_of("generation"),
        code=code_digest(
            "reporting.figures.draw:write",
            "reporting.figures.regions:figure4",
            "reporting.figures.regions:figure5",
            "reporting.figures.regions:figure8",
        ),


use rule draw_completions as draw_scores with:
    input:
        of_runs([RUN.metrics, RUN.events], "generation"),
        quality_results(1),
        STUDY.reference,
    output:
        figures(*SCORES),
    log:
        f"logs/{SCALE_NAME}/draw_scores.log",
    localrule: True
    params:
        scale=REPORTED,
        figures=SCORES,
        captions=captions(*SCORES),
        rows=labels_of("generation"),
        published=PUBLISHED.model_dump_json(),
        settings=section("dataset") + section("extractor", "intra_samples", of=SCALE.evaluation),
        code=code_digest(
            "reporting.figures.draw:write",
            "reporting.figures.curves:convergence",
            "reporting.figures.points:table1",
            "reporting.figures.points:table4",
        ),


use rule draw_completions as draw_recall with:
    input:
        first_runs(RUN.example, "recall"),
        of_runs(RUN.metrics, "recall"),
    output:
        figures("10", "table6"),
    log:
        f"logs/{SCALE_NAME}/draw_recall.log",
    localrule: True
    params:
        scale=REPORTED,
        figures=["10", "table6"],
        captions=captions("10", "table6"),
        rows=table_labels(6),
        code=code_digest(
            "reporting.figures.draw:write", "reporting.figures.recall:figure10", "reporting.figures.points:table6"
        ),


use rule draw_completions as draw_times with:
    input:
        STUDY.timing,
    output:
        figures("table5"),
    log:
        f"logs/{SCALE_NAME}/draw_times.log",
    localrule: True
    params:
        scale=REPORTED,
        figures=["table5"],
        captions=captions("table5"),
        published=PUBLISHED.model_dump_json(),
        code=code_digest("reporting.figures.draw:write", "reporting.figures.times:table5"),


rule summarise_scores:
    input:
        of_runs(RUN.metrics, "generation"),
        quality_results(1),
        of_runs(RUN.metrics, "inpainting"),
        of_runs(RUN.metrics, "recall"),
    output:
        STUDY.summary,
    log:
        f"logs/{SCALE_NAME}/summarise_scores.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        scale=REPORTED,
        code=code_digest("reporting.summary:summarise_scores"),
    shell:
        "python -m an summarise --scale {params.scale:q} &> {log:q}"


rule render_index:
    input:
        of_runs([RUN.metrics, RUN.classes], "generation"),
        quality_results(1),
        quality_results(2),
        of_runs(RUN.metrics, "inpainting"),
        of_runs(RUN.metrics, "recall"),
        where_any("generation", STUDY.reference),
        where_any("inpainting", [STUDY.control(name) for name in CONTROL_ROWS]),
        STUDY.timing,
        [STUDY.figure(name) for name in FIGURES],
        where_any("generation", first_runs(RUN.regions, "generation", LOOKED_AT)),
    output:
        STUDY.page,
    log:
        f"logs/{SCALE_NAME}/render_index.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        scale=REPORTED,
        rows=json.dumps([table_labels(table) for table in TABLES]),
        published=PUBLISHED.model_dump_json(),
        settings=section("description", "caution", "dataset", "evaluation"),
        kept=kept_digest(),
        code=code_digest(
            "reporting.render:render_index", files=("reporting/page.html", "reporting/page.css", "reporting/page.js")
        ),
    shell:
        "python -m an index --scale {params.scale:q} &> {log:q}"
